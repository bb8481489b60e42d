"""Writes files atomically: they appear under their names when they are complete, or not at all."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from jaxspeech.runtime.platform import sync


@contextlib.contextmanager
def replace_atomically(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a temporary path to write, which is renamed to `path` at the end; after an error the old file is unchanged.

    It is in a separate folder beside `path`, which is deleted with everything else in it. A symbolic link is kept:
    the file that it points to is replaced.

    Raises:
      OSError: the file cannot be written, or there is a folder of its name.
    """
    path = Path(os.path.realpath(path))
    if path.is_dir():  # renaming would say so too, but only at the end, and of the temporary path
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name[:40]}.", dir=path.parent))
    try:
        temporary = folder / path.name
        yield temporary
        sync(temporary)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
