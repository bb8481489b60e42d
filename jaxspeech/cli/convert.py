"""Converts a model file: .nemo to .jaxspeech, or back.

  jaxspeech convert model.nemo model.jaxspeech
  jaxspeech convert model.jaxspeech model.nemo

From .nemo to .nemo it renews a file: an old layout becomes today's. From .jaxspeech to .jaxspeech an archive of an
older format becomes today's.
"""

import argparse
from pathlib import Path

from jaxspeech.cli.parser import Parser


def options(parser: Parser) -> None:
    """Adds the options."""
    parser.add_argument("input", type=Path, metavar="INPUT", help="a .nemo or .jaxspeech file")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="the file to write, .jaxspeech or .nemo")


def run(flags: argparse.Namespace) -> None:
    """Writes the other file and reports what the model is."""
    from jaxspeech.interop.nemo.convert import convert

    convert(flags.input, flags.output)
