"""Converts a model file: .nemo to .jaxspeech, or back.

  jaxspeech convert model.nemo model.jaxspeech
  jaxspeech convert model.jaxspeech model.nemo

Converting .nemo to .nemo, or .jaxspeech to .jaxspeech, updates a file of an older format to the current one.
"""

import argparse
from pathlib import Path

from jaxspeech.cli.parser import Parser


def options(parser: Parser) -> None:
    """Adds the options."""
    parser.add_argument("input", type=Path, metavar="INPUT", help="a .nemo or .jaxspeech file")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="the file to write, .jaxspeech or .nemo")


def run(flags: argparse.Namespace) -> None:
    """Writes the converted file and prints a description of the model."""
    from jaxspeech.interop.nemo.convert import convert

    convert(flags.input, flags.output)
