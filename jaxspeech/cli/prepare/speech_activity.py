"""Labels the frames of clean speech by its level, to train a detector of speech on it with noise.

  jaxspeech prepare speech_activity train.jsonl dev.jsonl --output=data/activity

writes data/activity/train.jsonl and data/activity/dev.jsonl: the same lines with a "label" of 0 and 1 for every 20 ms.
With --noise=noise.jsonl, one line in ten is a part of a noise, without speech.
"""

import argparse
from pathlib import Path

from jaxspeech.cli.parser import Parser
from jaxspeech.errors import ConfigError

EXTRA = "train"


def options(parser: Parser) -> None:
    """Adds the options."""
    parser.add_argument("manifests", nargs="+", metavar="MANIFEST", help="the output files are named after it")
    parser.add_argument("--noise", help="a manifest of noises, parts of which are added as recordings without speech")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder for the manifests")


def run(flags: argparse.Namespace) -> None:
    """Writes the manifests and reports how much of them is speech."""
    from tqdm import tqdm

    from jaxspeech.data.activity_labels import activity_entries, noise_entries
    from jaxspeech.data.manifest import Manifest, write_manifest
    from jaxspeech.data.problems import Problems

    names = [Path(source).stem for source in flags.manifests]
    for source, name in zip(flags.manifests, names, strict=True):
        if names.count(name) > 1:
            raise ConfigError(f"{source}: another manifest would become {name}.jsonl too; convert them separately")
        if (flags.output / f"{name}.jsonl").resolve() == Path(source).resolve():
            raise ConfigError(f"{source}: would be overwritten; choose another --output")
    flags.output.mkdir(parents=True, exist_ok=True)
    for source, name in zip(flags.manifests, names, strict=True):
        manifest = Manifest(source, problems=Problems(report=tqdm.write))
        entries = list(activity_entries(manifest))
        if flags.noise:
            lengths = manifest.durations.tolist()
            entries += noise_entries(Manifest(flags.noise), lengths=lengths, count=max(len(entries) // 9, 1))
        write_manifest(flags.output / f"{name}.jsonl", entries)
        marks = "".join(entry["label"] for entry in entries)
        share = marks.count("1") / max(marks.count("0") + marks.count("1"), 1)
        print(f"{flags.output / name}.jsonl: {len(entries)} recordings, {share:.0%} of the frames are speech")
