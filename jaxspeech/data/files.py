"""Opens local files and, through fsspec, URLs of object stores, for example gs://bucket/a.jsonl or s3://bucket/a.tar.

Local paths need nothing but Python; URLs need the extra "remote".
"""

import importlib
import io
import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jaxspeech.errors import SpeechError

# A local path, or a URL as a string (a Path would turn "gs://bucket" into "gs:/bucket").
Location = Path | str

_URL = re.compile(r"[a-z][a-z0-9+.-]+://")


def is_url(path: Location) -> bool:
    return isinstance(path, str) and _URL.match(path) is not None


def locate(path: Location) -> Location:
    """Return a URL unchanged, anything else as an absolute path."""
    return path if is_url(path) else Path(path).absolute()


def beside(path: Location, name: str) -> Location:
    """Resolve `name`, as written in the file `path`: relative to its folder, unless it is a URL or absolute."""
    if is_url(name):
        return name
    if isinstance(path, Path):
        return path.parent / name
    return name if name.startswith("/") else f"{path.rpartition('/')[0]}/{name}"


@contextmanager
def open_binary(path: Location, *, error: type[SpeechError] = SpeechError):
    """Open a file for reading from its start.

    Raises:
      SpeechError: of the class `error`, one line: the file is missing or cannot be read, or fsspec is not installed.
    """
    try:
        with path.open("rb") if isinstance(path, Path) else _fsspec(path).open(path, "rb") as file:
            yield file
    except FileNotFoundError as reason:
        raise error(f"{path}: no such file") from reason
    except OSError as reason:
        raise error(f"{path}: cannot be read: {_one_line(reason)}") from reason


def open_local(path: Location, *, error: type[SpeechError] = SpeechError) -> io.IOBase:
    """Open a file for random access: a local file itself, a URL as an unnamed temporary copy."""
    if isinstance(path, Path):
        return path.open("rb")
    copy = tempfile.TemporaryFile()  # noqa: SIM115  the caller closes it
    with open_binary(path, error=error) as file:
        shutil.copyfileobj(file, copy, 1 << 20)
    copy.flush()
    return copy


def _fsspec(url: str) -> Any:
    try:
        fsspec = importlib.import_module("fsspec")
        return fsspec.filesystem(url.partition("://")[0])
    except ImportError as error:
        raise SpeechError(f'{url}: {_one_line(error)}: python -m pip install "jaxspeech[remote]"') from error
    except ValueError as error:
        raise SpeechError(f"{url}: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    return " ".join(reason.split())[:200]
