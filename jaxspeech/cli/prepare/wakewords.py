"""Adds a class for everything else to clips of a few words, to spot the words in running speech.

  jaxspeech prepare wakewords wakewords/train.jsonl wakewords/dev.jsonl --output=data/spotting \\
      --speech=librispeech_mini/train.jsonl,librispeech_mini/dev.jsonl --noise=noise_rir/manifest.jsonl

writes data/spotting/train.jsonl and data/spotting/dev.jsonl: the same lines, and lines whose label is "other" for
random parts of the speech and of the noise. The speech of each manifest should be of other people, so that dev shows
how often a stranger's speech is taken for a word.
"""

import argparse
from pathlib import Path

from jaxspeech.cli.parser import Parser, at_least, names
from jaxspeech.errors import ConfigError

EXTRA = "train"


def options(parser: Parser) -> None:
    """Adds the options."""
    parser.add_argument("manifests", nargs="+", metavar="MANIFEST", help="clips of words; each gives one output")
    parser.add_argument(
        "--speech", type=names, action="extend", required=True, help="other speech: one manifest for each, with commas"
    )
    parser.add_argument("--noise", help="a manifest of noises")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder for the manifests")
    parser.add_argument("--others", type=at_least(1), default=4, help="clips of other sounds for each clip of a word")
    parser.add_argument("--name", default="other", help="the name of the class")
    parser.add_argument("--field", default="label", help="the field that names the class")
    parser.add_argument("--seed", type=at_least(0), default=0, help="determines what is cut")


def run(flags: argparse.Namespace) -> None:
    """Writes the manifests and reports how many clips they have."""
    from tqdm import tqdm

    from jaxspeech.data.columns.label import label_names
    from jaxspeech.data.manifest import Manifest, write_manifest
    from jaxspeech.data.other_clips import other_clips
    from jaxspeech.data.problems import Problems

    if len(flags.speech) != len(flags.manifests):
        raise ConfigError(
            f"--speech names {len(flags.speech)} manifests for {len(flags.manifests)}; give one for each, with commas"
        )
    stems = [Path(source).stem for source in flags.manifests]
    for source, stem in zip(flags.manifests, stems, strict=True):
        if stems.count(stem) > 1:
            raise ConfigError(f"{source}: another manifest would become {stem}.jsonl too; rename one of them")
        if (flags.output / f"{stem}.jsonl").resolve() == Path(source).resolve():
            raise ConfigError(f"{source}: would be overwritten; choose another --output")
    flags.output.mkdir(parents=True, exist_ok=True)
    noise = Manifest(flags.noise) if flags.noise else None
    for number, (source, stem) in enumerate(zip(flags.manifests, stems, strict=True)):
        clips = Manifest(source, problems=Problems(report=tqdm.write))
        words = {label for label in label_names(clips, field=flags.field) if label is not None}
        if flags.name in words:
            raise ConfigError(f"{source}: has clips of {flags.name!r} already; give another --name")
        others = other_clips(
            Manifest(flags.speech[number], problems=Problems(report=tqdm.write)),
            noise,
            lengths=clips.durations.tolist(),
            count=flags.others * len(clips),
            words=words,
            field=flags.field,
            name=flags.name,
            seed=flags.seed + number,
        )
        lines = [e.fields | {"audio_filepath": str(e.path), "duration": e.duration} for e in clips]
        write_manifest(flags.output / f"{stem}.jsonl", [*lines, *others])
        print(f"{flags.output / stem}.jsonl: {len(lines)} clips of {len(words)} words, {len(others)} of {flags.name}")
