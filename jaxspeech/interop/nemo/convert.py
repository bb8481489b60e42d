"""Turns a model file into another: .nemo to .jaxspeech, or back; `jaxspeech convert` is the command.

From .nemo to .nemo it renews a file: an old layout becomes today's.
"""

from pathlib import Path

import jax

from jaxspeech.archive import load_archive, save_archive
from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.load import load_nemo
from jaxspeech.interop.nemo.nemo_config import remarks
from jaxspeech.interop.nemo.write import save_nemo

FORMATS = {".nemo": (load_nemo, save_nemo), ".jaxspeech": (load_archive, save_archive)}


def convert(source: Path, target: Path) -> None:
    """Reads one and writes the other, by the ends of their names, and says what it was.

    Raises:
      ArchiveError: one of them has another ending, or cannot be read or written.
    """
    for path in (source, target):
        if path.suffix not in FORMATS:
            raise ArchiveError(f"{path}: expected a name that ends in {' or '.join(FORMATS)}")
    load, _ = FORMATS[source.suffix]
    _, save = FORMATS[target.suffix]
    archive = load(source)
    save(target, **archive._asdict())
    if target.suffix == ".nemo":
        for remark in remarks(archive.model, archive.assets["tokenizer"].config()):
            print(f"note: {remark}")
    count = sum(leaf.size for leaf in jax.tree.leaves(archive.variables["params"]))
    size = target.stat().st_size
    print(f"{target}: {archive.model['task']}, {count:,} parameters, {size:,} bytes, from {source}")
