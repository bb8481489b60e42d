"""Converts a model from .nemo to .jaxspeech, or back; a speech language model, from NeMo's folder or to it.

From .nemo to .nemo, it rewrites a file of an old layout in the current one.
"""

from pathlib import Path

import jax

from jaxspeech.archive import Archive, load_archive, save_archive
from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.load import load_nemo
from jaxspeech.interop.nemo.salm import load_salm
from jaxspeech.interop.nemo.save import FOLDERS, save_nemo

FORMATS = {".nemo": (load_nemo, save_nemo), ".jaxspeech": (load_archive, save_archive)}


def convert(source: Path, target: Path) -> None:
    """Reads one file and writes the other, in the formats that their suffixes name, and describes the model.

    Raises:
      ArchiveError: a name has another suffix, or a file cannot be read or written.
    """
    if source.is_dir():
        archive = load_salm(source)
    elif source.suffix in FORMATS:
        # Of these two only an archive can hold what NeMo keeps in a folder.
        if source.suffix == ".nemo" and target.suffix not in FORMATS:
            raise _no_format(target)
        archive = FORMATS[source.suffix][0](source)
    else:
        raise _no_format(source)
    write_converted(archive, source, target)


def write_converted(archive: Archive, source: Path, target: Path) -> None:
    """Writes the file or folder `target` of what was read from `source`, and describes the model.

    Raises:
      ArchiveError: it cannot be written, or a model of this kind has no such form.
    """
    in_folder = archive.model.get("task") in FOLDERS and target.suffix != ".jaxspeech"
    if not in_folder and target.suffix not in FORMATS:
        raise _no_format(target)
    save = save_nemo if in_folder else FORMATS[target.suffix][1]
    for remark in save(target, **archive._asdict()) or ():
        print(f"note: {remark}")
    count = sum(leaf.size for leaf in jax.tree.leaves(archive.variables["params"]))
    size = sum(file.stat().st_size for file in (target.rglob("*") if target.is_dir() else [target]) if file.is_file())
    print(f"{target}: {archive.model['task']}, {count:,} parameters, {size:,} bytes, from {source}")


def _no_format(path: Path) -> ArchiveError:
    return ArchiveError(f"{path}: expected a name that ends in {' or '.join(FORMATS)}, or the folder of a SALM")
