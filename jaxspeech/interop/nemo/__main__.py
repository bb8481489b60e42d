"""Turns a model file into another: .nemo to .jaxspeech, or back.

python -m jaxspeech.interop.nemo model.nemo model.jaxspeech
python -m jaxspeech.interop.nemo model.jaxspeech model.nemo
"""

import argparse
import sys
from pathlib import Path

from jaxspeech.command import run
from jaxspeech.interop.nemo.convert import convert


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m jaxspeech.interop.nemo", description="Convert a model file.")
    parser.add_argument("input", type=Path, help="a .nemo or .jaxspeech file")
    parser.add_argument("output", type=Path, help="the file to write, .jaxspeech or .nemo")
    flags = parser.parse_args(arguments)
    return run(lambda: convert(flags.input, flags.output))


if __name__ == "__main__":
    sys.exit(main())
