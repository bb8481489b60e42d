"""Opens recordings and decodes them block by block: the one place that does, for inference and training.

    file -> links (one recording or several, each with a right header) -> libsndfile, or ffmpeg for what it cannot read

Memory is in proportion to what is in a file: nothing is allocated for what a header claims.
"""

import contextlib
import errno
import io
import math
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from jaxspeech.audio import ffmpeg
from jaxspeech.audio.links import Link, find_links, find_mpeg
from jaxspeech.audio.pieces import Pieces, read_at
from jaxspeech.audio.sndfile import Sndfile, UnknownFormat, one_line
from jaxspeech.audio.spool import spool
from jaxspeech.errors import AudioError

# Smaller files are always searched as a whole for recordings joined to the first.
SMALL_BYTES = 1 << 20


@runtime_checkable
class Part(Protocol):
    """A recording, or one of several in a file, while it is decoded.

    Attributes:
      rate: in Hz.
      channels: their number.
      frames: samples in each channel; None if only decoding can say.
      position: samples decoded so far in each channel.
    """

    rate: int
    channels: int
    frames: int | None
    position: int

    def blocks(self, start: int, count: int | None) -> Iterator[Float[np.ndarray, "S C"]]:
        """Yields `count` samples from `start`, fewer if the recording ends; None: to its end."""
        ...


@contextlib.contextmanager
def open_parts(
    source: str | os.PathLike | io.IOBase | IO[bytes], *, name: str, until: float
) -> Iterator[Sequence[Part]]:
    """Opens a path or a binary file; gives the recordings in it, to be decoded one after the other.

    Args:
      source: a path, also of a pipe; or a binary file, read from its start.
      name: in error messages.
      until: seconds that will be read; infinity: all. Where the file seems to be shorter, all of it is searched for
        recordings that were joined to the first (see `links.find_links`).

    Raises:
      AudioError: one line with the name: it cannot be opened, or is not audio that can be decoded.
    """
    with contextlib.ExitStack() as stack:
        file, path = stack.enter_context(_open(source, name))
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            raise AudioError(f"{name}: is an empty file")
        if ffmpeg.name_format(file):
            yield [stack.enter_context(_through_ffmpeg(file, path, name))]
            return
        try:
            thorough = size <= SMALL_BYTES or math.isinf(until)
            parts = _open_links(file, size, path, name, stack, thorough=thorough)
            if not thorough and sum((part.frames or 0) / part.rate for part in parts) < until:
                parts = _open_links(file, size, path, name, stack, thorough=True)
        except UnknownFormat as unknown:
            if unknown.headerless or _is_text(read_at(file, 0, 512)) or ffmpeg.find_ffmpeg() is None:
                raise
            try:
                parts = [stack.enter_context(_through_ffmpeg(file, path, name))]
            except AudioError:
                raise unknown from None
        yield parts


def _open_links(
    file: Any, size: int, path: str | os.PathLike | None, name: str, stack: contextlib.ExitStack, *, thorough: bool
) -> Sequence[Part]:
    """Opens the recordings in a file with libsndfile."""
    with one_line(name):
        links = find_links(file, size, thorough=thorough)
    try:
        return [stack.enter_context(Sndfile(link, path, name=name)) for link in links]
    except UnknownFormat:
        with one_line(name):  # frames of MP3 after something else
            links = [Link(Pieces(file, pieces), False) for pieces in find_mpeg(file, 0, size)]
        if not links:
            raise
        return [stack.enter_context(Sndfile(link, None, name=name)) for link in links]


@contextlib.contextmanager
def _open(source: Any, name: str) -> Iterator[tuple[Any, str | os.PathLike | None]]:
    """Opens the source as a file that can be sought, and gives its path if a decoder can open it by itself."""
    if not isinstance(source, str | os.PathLike):
        try:
            seekable = source.seekable()
        except (AttributeError, OSError):
            seekable = False
        if seekable:
            yield source, None
            return
        with spool(source, name=name) as copy:
            yield copy, None
        return
    if not os.fspath(source):
        raise AudioError("the name of a recording is empty")
    try:
        mode = os.stat(source).st_mode
        folder, usual = stat.S_ISDIR(mode), stat.S_ISREG(mode)
        device = not (usual or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode))
        opened = None if folder or device else open(source, "rb", buffering=0)  # noqa: SIM115  closed below
    except FileNotFoundError as error:
        raise AudioError(f"{name}: no such file") from error
    except PermissionError as error:
        raise AudioError(f"{name}: no permission to read it") from error
    except (OSError, ValueError) as error:
        if isinstance(error, ValueError) or error.errno == errno.ENAMETOOLONG:  # no file can have that name
            raise AudioError(f"{name}: no such file") from error
        raise AudioError(f"{name}: cannot be read: {error.strerror}") from error
    if opened is None:
        raise AudioError(f"{name}: is a {'folder' if folder else 'device'}, not an audio file")
    with opened as file:
        if usual:
            yield file, source
        else:
            with spool(file, name=name) as copy:
                yield copy, None


@contextlib.contextmanager
def _through_ffmpeg(file: Any, path: str | os.PathLike | None, name: str) -> Iterator[Part]:
    command = ffmpeg.find_ffmpeg()
    if command is None:
        raise AudioError(
            f"{name}: {ffmpeg.name_format(file)} needs ffmpeg: install it, or jaxspeech[ffmpeg], or convert the file: "
            "ffmpeg -i FILE -ar 16000 -ac 1 FILE.wav"
        )
    with contextlib.ExitStack() as stack:
        if path is None:
            copy = stack.enter_context(tempfile.NamedTemporaryFile())
            with one_line(name):
                file.seek(0)
                while data := file.read(1 << 20):
                    copy.write(data)
                copy.flush()
            path = copy.name
        with one_line(name):
            decoded = ffmpeg.Decoded(command, os.fsdecode(path), name=name)
        stack.callback(decoded.close)
        yield decoded


def _is_text(head: bytes) -> bool:
    """Whether a file begins like a text, for example a playlist, which ffmpeg must not follow."""
    return not any(letter < 9 or 13 < letter < 32 for letter in head)
