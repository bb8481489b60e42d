"""Exports a speech dataset of TensorFlow Datasets to FLAC files and a manifest. Needs the extra `tfds`.

  jaxspeech prepare tfds librispeech --output=data/librispeech/dev.jsonl --split=dev_clean
  jaxspeech prepare tfds spoken_digit --output=data/digits.jsonl --split=train --audio_key=audio \\
      --text_key=label --names=zero,one,two,three,four,five,six,seven,eight,nine
"""

import argparse
from pathlib import Path

from jaxspeech.cli.parser import Parser, names

EXTRA = "tfds"


def options(parser: Parser) -> None:
    """Adds the options."""
    parser.add_argument("name", metavar="NAME", help="the dataset, for example librispeech")
    parser.add_argument("--output", type=Path, required=True, help="manifest to write; the audio is written beside it")
    parser.add_argument("--split", action="append", required=True, help="split to export; may be given several times")
    parser.add_argument("--data_dir", help="where TFDS keeps its data")
    parser.add_argument("--audio_key", default="speech", help="the dataset's name for the audio")
    parser.add_argument("--text_key", default="text", help="the dataset's name for the transcript")
    parser.add_argument(
        "--names",
        type=names,
        action="extend",
        default=[],
        help="if the transcript is a class: the text of each class, separated by commas",
    )


def run(flags: argparse.Namespace) -> None:
    """Exports the splits."""
    from jaxspeech.data.tfds import export, open_splits

    splits, sample_rate = open_splits(flags.name, flags.split, data_dir=flags.data_dir)
    export(
        splits,
        flags.output,
        sample_rate=sample_rate,
        audio_key=flags.audio_key,
        text_key=flags.text_key,
        names=flags.names,
    )
