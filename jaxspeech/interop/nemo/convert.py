"""Converts a model file from .nemo to .jaxspeech, or back.

From .nemo to .nemo, it rewrites a file of an old layout in the current one.
"""

from pathlib import Path

import jax

from jaxspeech.archive import Archive, load_archive, save_archive
from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.load import load_nemo
from jaxspeech.interop.nemo.save import save_nemo

FORMATS = {".nemo": (load_nemo, save_nemo), ".jaxspeech": (load_archive, save_archive)}


def convert(source: Path, target: Path) -> None:
    """Reads one file and writes the other, in the formats that their suffixes name, and describes the model.

    Raises:
      ArchiveError: a name has another suffix, or a file cannot be read or written.
    """
    for path in (source, target):
        if path.suffix not in FORMATS:
            raise ArchiveError(f"{path}: expected a name that ends in {' or '.join(FORMATS)}")
    load, _ = FORMATS[source.suffix]
    write_converted(load(source), source, target)


def write_converted(archive: Archive, source: Path, target: Path) -> None:
    """Writes the file `target` of what was read from `source`, and describes the model."""
    _, save = FORMATS[target.suffix]
    for remark in save(target, **archive._asdict()) or ():
        print(f"note: {remark}")
    count = sum(leaf.size for leaf in jax.tree.leaves(archive.variables["params"]))
    size = target.stat().st_size
    print(f"{target}: {archive.model['task']}, {count:,} parameters, {size:,} bytes, from {source}")
