"""Writes a run's text to a file that grows beside the output and replaces it at the end, or to stdout.

After any end of the program, also a kill, what was done is in OUTPUT.part: whole pieces, each written at once. Where
nothing was written, nothing is replaced.
"""

import contextlib
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from jaxspeech.errors import ConfigError, OutputError
from jaxspeech.files import replace_atomically
from jaxspeech.runtime.unicode import to_bytes

Put = Callable[[str], None]
# The most bytes that the common file systems allow in a name.
MOST_NAME_BYTES = 255


@contextlib.contextmanager
def open_output(path: str | Path | None) -> Iterator[Put]:
    """Gives a function that writes text to a file, which appears when it is complete; None: to stdout.

    If the block ends by an exception, the text written so far is kept under the file's name plus ".part" (".part2", ...
    if that exists). If the function is never called, a file that was there stays.

    Raises:
      ConfigError: the path is a folder, or stdout is closed.
      OSError: no file can be written there, before the block begins.
      OutputError: the text cannot be written, from the function.
    """
    if path is None:
        if sys.stdout is None:
            raise ConfigError("standard output is closed; --output=FILE names a file instead")
        yield _to_stdout
        return
    given = Path(path)
    if given.is_dir():
        raise ConfigError(f"{given}: is a folder; --output is a file")
    if given.exists() and not given.is_file():  # a pipe or a device cannot be replaced
        with open(given, "wb", buffering=0) as stream:
            yield lambda text: append(stream, to_bytes(text), name=str(given))
        return
    path = Path(os.path.realpath(given))  # a symbolic link is kept
    path.parent.mkdir(parents=True, exist_ok=True)
    growing = _Growing(path)
    try:
        yield growing.put
        growing.finish()
    except BaseException:
        if growing.part is not None:
            growing.close()
            print(f"stopped: what was done so far is in {growing.part}", file=sys.stderr)
        raise


def write_file(path: Path, text: str) -> None:
    """Writes a whole file, in a folder that is made if it is missing.

    Raises:
      OSError: it cannot be written; a file that was there stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_atomically(path) as temporary:
        temporary.write_bytes(to_bytes(text))


def append(stream: BinaryIO, data: bytes, *, name: str) -> None:
    """Writes all of `data` to an unbuffered file, or nothing of it.

    Args:
      stream: open for writing without a buffer.
      data: a whole piece, such as a line.
      name: of the file, in the message.

    Raises:
      OutputError: the file cannot be written.
    """
    begin = stream.tell() if stream.seekable() else None
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[stream.write(rest) :]
    except BaseException as error:
        if begin is not None:
            with contextlib.suppress(OSError):
                stream.seek(begin)
                stream.truncate()
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            raise OutputError(f"{name}: cannot be written: {error.strerror}") from error
        raise


class _Growing:
    """A file beside the output, made when the first text comes.

    Attributes:
      part: its path; None before the first text, and after `finish`.
    """

    def __init__(self, path: Path):
        """Checks that a file can be made there, so that no work is done in vain."""
        self._path = path
        self._stream: BinaryIO | None = None
        self.part: Path | None = None
        part, stream = _create(path)
        stream.close()
        part.unlink()

    def put(self, text: str) -> None:
        data = to_bytes(text)
        if self._stream is None:
            try:
                self.part, self._stream = _create(self._path)
            except OSError as error:
                raise OutputError(f"{self._path}: cannot be written: {error.strerror}") from error
        append(self._stream, data, name=str(self._path))

    def finish(self) -> None:
        """Replaces the output, if there was any text."""
        if self._stream is None or self.part is None:
            return
        try:
            os.fsync(self._stream.fileno())
            self.close()
            os.replace(self.part, self._path)
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be written: {error.strerror}") from error
        self.part = None

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()


def _create(path: Path) -> tuple[Path, BinaryIO]:
    """Makes a file that did not exist: with the path's name and ".part", or the first of ".part2", ... that is free."""
    for number in itertools.count(1):
        suffix = ".part" if number == 1 else f".part{number}"
        name = path.name
        if len(os.fsencode(name)) + len(suffix) > MOST_NAME_BYTES:
            name = os.fsencode(name)[: MOST_NAME_BYTES - len(suffix)].decode(errors="ignore")
        part = path.with_name(name + suffix)
        with contextlib.suppress(FileExistsError):
            return part, open(part, "xb", buffering=0)
    raise AssertionError


def _to_stdout(text: str) -> None:
    try:
        print(text, end="", flush=True)
    except BrokenPipeError:  # its reader has seen enough, which is no error
        raise
    except OSError as error:
        raise OutputError(f"standard output cannot be written: {error.strerror}") from error
