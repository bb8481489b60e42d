"""Labels the frames of clean speech, by its level or by its words too, to train a detector of speech on it with noise.

  jaxspeech prepare speech_activity train.jsonl dev.jsonl --output=data/activity
  jaxspeech prepare speech_activity train.jsonl dev.jsonl --aligner=model.nemo --output=data/activity

With --aligner, a recogniser with a CTC head, speech is where the words of the "text" are and, up to 0.3 s around them,
what is loud enough; without it, all that is loud enough. The command writes data/activity/train.jsonl and
data/activity/dev.jsonl: the same lines with a "label" of 0 and 1 for every 20 ms.
With --noise=noise.jsonl, one line in ten is a part of a noise, without speech.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jaxspeech
from jaxspeech.cli.parser import Parser, at_least
from jaxspeech.errors import ConfigError

if TYPE_CHECKING:
    from jaxspeech.data.activity_labels import Align

EXTRA = "train"


def options(parser: Parser) -> None:
    """Adds the options."""
    parser.add_argument("manifests", nargs="+", metavar="MANIFEST", help="the output files are named after it")
    parser.add_argument("--noise", help="a manifest of noises, parts of which are added as recordings without speech")
    parser.add_argument("--aligner", help="a recogniser with a CTC head (.jaxspeech, .nemo, or a name on the Hub)")
    parser.add_argument("--batch_size", type=at_least(1), default=8, help="--aligner: recordings in a batch")
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
    align = word_finder(flags.aligner, batch_size=flags.batch_size) if flags.aligner else None
    flags.output.mkdir(parents=True, exist_ok=True)
    for source, name in zip(flags.manifests, names, strict=True):
        manifest = Manifest(source, problems=Problems(report=tqdm.write))
        entries = list(activity_entries(manifest, align=align))
        if flags.noise:
            lengths = manifest.durations.tolist()
            entries += noise_entries(Manifest(flags.noise), lengths=lengths, count=max(len(entries) // 9, 1))
        write_manifest(flags.output / f"{name}.jsonl", entries)
        marks = "".join(entry["label"] for entry in entries)
        share = marks.count("1") / max(marks.count("0") + marks.count("1"), 1)
        print(f"{flags.output / name}.jsonl: {len(entries)} recordings, {share:.0%} of the frames are speech")


def word_finder(model: str, *, batch_size: int) -> "Align":
    """Loads a recogniser, and returns a function that finds the words of recordings with it."""
    from jaxspeech.data.activity_labels import RATE

    recognizer = jaxspeech.load(model)

    def align(pairs: Any) -> Iterator[Any]:
        options: Any = {"batch_size": batch_size, "sample_rate": RATE, "on_error": "skip"}
        for found in recognizer.align_iter(pairs, **options):
            if found.error is not None:
                yield found.error.removeprefix(f"{found.source}: ")
            else:
                yield [(word.start, word.end) for word in found.words or ()]

    return align
