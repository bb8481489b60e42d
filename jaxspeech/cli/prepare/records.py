"""Converts manifests to ArrayRecord files: a few large files with random access to every example.

  jaxspeech prepare records train.jsonl dev.jsonl --output=records/ --shards=8

writes records/train-00000-of-00008.array_record, ... and records/train.jsonl: the same lines, except that
audio_filepath names an ArrayRecord file, and record is the position in it.
"""

import argparse
from pathlib import Path

from jaxspeech.cli.parser import Parser, at_least
from jaxspeech.errors import ConfigError

EXTRA = "train"


def options(parser: Parser) -> None:
    """Adds the options."""
    parser.add_argument("manifests", nargs="+", metavar="MANIFEST", help="the output files are named after it")
    parser.add_argument("--tars", default="", help="the tar files of the manifest, if any: audio_{0..127}.tar")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder for the output files")
    parser.add_argument("--shards", type=at_least(1), default=1, help="number of files per manifest")


def run(flags: argparse.Namespace) -> None:
    """Writes the files of each manifest and reports how many utterances they hold."""
    from tqdm import tqdm

    from jaxspeech.data.manifest import Manifest
    from jaxspeech.data.problems import Problems
    from jaxspeech.data.records import write_records

    names = [Path(source.rpartition("/")[2]).stem for source in flags.manifests]
    for source, name in zip(flags.manifests, names, strict=True):
        if names.count(name) > 1:
            raise ConfigError(f"{source}: another manifest would become {name}.jsonl too; convert them separately")
        if (flags.output / f"{name}.jsonl").resolve() == Path(source).resolve():
            raise ConfigError(f"{source}: would be overwritten; choose another --output")
    for source, name in zip(flags.manifests, names, strict=True):
        problems = Problems(report=tqdm.write)
        manifest = Manifest({"path": source, "tars": flags.tars}, problems=problems)
        path, count = write_records(manifest, flags.output, name=name, shards=flags.shards, progress=True)
        print(f"{path}: {count} utterances" + (f", {len(problems)} left out" if len(problems) else ""))
