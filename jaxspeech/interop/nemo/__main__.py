"""Turns a model file into another: .nemo to .jaxspeech, or back.

python -m jaxspeech.interop.nemo model.nemo model.jaxspeech
python -m jaxspeech.interop.nemo model.jaxspeech model.nemo

From .nemo to .nemo it renews a file: an old layout becomes today's.
"""

import argparse
import sys
from pathlib import Path

import jax

from jaxspeech.archive import load_archive, save_archive
from jaxspeech.errors import ArchiveError, SpeechError
from jaxspeech.interop.nemo.load import load_nemo
from jaxspeech.interop.nemo.peer_config import remarks
from jaxspeech.interop.nemo.write import save_nemo

FORMATS = {".nemo": (load_nemo, save_nemo), ".jaxspeech": (load_archive, save_archive)}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m jaxspeech.interop.nemo", description="Convert a model file.")
    parser.add_argument("input", type=Path, help="a .nemo or .jaxspeech file")
    parser.add_argument("output", type=Path, help="the file to write, .jaxspeech or .nemo")
    flags = parser.parse_args(arguments)
    try:
        for path in (flags.input, flags.output):
            if path.suffix not in FORMATS:
                raise ArchiveError(f"{path}: expected a name that ends in {' or '.join(FORMATS)}")
        load, _ = FORMATS[flags.input.suffix]
        _, save = FORMATS[flags.output.suffix]
        archive = load(flags.input)
        save(flags.output, **archive._asdict())
    except SpeechError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if flags.output.suffix == ".nemo":
        for remark in remarks(archive.model, archive.tokenizer.config()):
            print(f"note: {remark}")
    count = sum(leaf.size for leaf in jax.tree.leaves(archive.variables["params"]))
    size = flags.output.stat().st_size
    print(f"{flags.output}: {archive.model['task']}, {count:,} parameters, {size:,} bytes, from {flags.input}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
