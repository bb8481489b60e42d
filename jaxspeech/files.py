"""Files that appear under their names when they are complete, or not at all."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replace_atomically(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A place to write a file, which takes the name `path` at the end; after an error the old file is as it was.

    The place is in a folder of its own beside `path`, so that whatever else is written there disappears too. A link
    stays a link: the file that it names is replaced.

    Raises:
      OSError: it cannot be written.
    """
    path = Path(os.path.realpath(path))
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        temporary = folder / path.name
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
