"""Opens recordings and decodes them block by block: the one place that does, for inference and training.

    file -> links (one recording or several, each with a right header) -> libsndfile, or ffmpeg for what it cannot read

Memory is in proportion to what is in a file: nothing is allocated for what a header claims.
"""

import contextlib
import io
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, Any, Protocol, runtime_checkable

import numpy as np
import soundfile
from jaxtyping import Float

from jaxspeech.audio import ffmpeg
from jaxspeech.audio.links import Link, find_links, find_mpeg
from jaxspeech.audio.pieces import Pieces, read_at
from jaxspeech.audio.spool import spool
from jaxspeech.errors import AudioError

# Values (frames times channels) that are decoded at a time.
BLOCK_VALUES = 1 << 20
# Frames that a lossy format's header may count too many.
TOLERANCE_FRAMES = 2400
# Rates outside are damage: resampling from 1 Hz makes hours of a second.
LOWEST_RATE, HIGHEST_RATE = 1000, 1_000_000
# libsndfile's number of frames where it does not know it.
_UNKNOWN = 1 << 60
_LOSSY = ("MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III", "VORBIS", "OPUS")
# Formats without a header, which libsndfile knows by the file's name alone.
_BY_NAME = (".gsm", ".vox")
# Names of files without a header whose kind nothing says.
_HEADERLESS = (".raw", ".pcm", ".sw", ".s16", ".s16le")
# Decoders of these need this much, in seconds, before they give the same samples as from the start.
_SETTLING = ("MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III", "OPUS")
_SETTLES = 1.0


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
      until: seconds that will be read. Where the file seems to be shorter, all of it is searched for recordings that
        were joined to the first (see `links.find_links`).

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
            parts = _open_links(file, size, path, name, stack, thorough=False)
            if sum((part.frames or 0) / part.rate for part in parts) < until:
                parts = _open_links(file, size, path, name, stack, thorough=True)
        except _UnknownFormat as unknown:
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
    except _UnknownFormat:
        with one_line(name):  # frames of MP3 after something else
            links = [Link(Pieces(file, pieces), False) for pieces in find_mpeg(file, 0, size)]
        if not links:
            raise
        return [stack.enter_context(Sndfile(link, None, name=name)) for link in links]


class _UnknownFormat(AudioError):
    """libsndfile does not know the format.

    Attributes:
      headerless: whether the name says that the file is nothing but samples.
    """

    headerless = False


class _Unmoved(soundfile.SoundFile):
    """A file that is read on where it is: soundfile seeks after each read, which some codecs answer with a click."""

    def seekable(self) -> bool:
        return False


class Sndfile:
    """A recording that libsndfile decodes; see `Part`."""

    def __init__(self, link: Link, path: str | os.PathLike | None, *, name: str):
        self._name = name
        self._link = link
        handle = _handle(link.file)
        self._pieces = None if isinstance(handle, int) else handle
        suffix = os.path.splitext(os.fspath(path))[1] if path is not None else ""
        suffix = os.fsdecode(suffix).lower()
        try:
            with one_line(name):
                try:
                    self._file = _Unmoved(handle, closefd=False)  # pyright: ignore[reportArgumentType]
                except soundfile.LibsndfileError:
                    if path is None or not link.untouched or suffix not in _BY_NAME or os.name != "posix":
                        raise
                    self._file = _Unmoved(os.fsencode(path))
        except AudioError as error:
            if not isinstance(error.__cause__, soundfile.LibsndfileError):
                raise
            unknown = _UnknownFormat(
                f"{name}: samples without a header; add one: sox -t raw -r 16000 -e signed -b 16 -c 1 FILE OUT.wav"
                if suffix in _HEADERLESS
                else f"{name}: not audio in a known format (WAV, FLAC, Ogg, MP3, ...), or damaged"
            )
            unknown.headerless = suffix in _HEADERLESS
            raise unknown from error
        self.rate, self.channels = self._file.samplerate, self._file.channels
        if not LOWEST_RATE <= self.rate <= HIGHEST_RATE:
            self._file.close()
            raise AudioError(f"{name}: damaged: its header claims a sample rate of {self.rate} Hz")
        self.frames = self._file.frames if self._file.frames < _UNKNOWN else None
        self.position = 0

    def __enter__(self) -> "Sndfile":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def blocks(self, start: int, count: int | None) -> Iterator[Float[np.ndarray, "S C"]]:
        """Yields blocks of samples, see `Part`.

        Raises:
          AudioError: a part of the recording cannot be decoded.
        """
        self._skip(start)
        stop = self.frames if count is None else start + count
        while stop is None or self.position < stop:
            most = max(1, BLOCK_VALUES // self.channels)
            block = self._decode(most if stop is None else min(most, stop - self.position))
            if not len(block):
                break
            yield block
        expected = self.frames if stop is None or self.frames is None else min(stop, self.frames)
        slack = TOLERANCE_FRAMES if self._file.subtype in _LOSSY and expected == self.frames else 0
        if expected is not None and self.position + slack < expected:
            raise self._damaged()

    def _skip(self, start: int) -> None:
        """Moves to a sample: by seeking, or, where the format cannot, by decoding."""
        settles = round(_SETTLES * self.rate) if self._file.subtype in _SETTLING else 0
        if start > settles and (self.frames is None or start <= self.frames):
            with contextlib.suppress(AudioError):  # formats that cannot seek
                with one_line(self._name):
                    self._file.seek(start - settles)
                self.position = start - settles
        while self.position < start:
            if not len(self._decode(min(max(1, BLOCK_VALUES // self.channels), start - self.position))):
                return

    def _decode(self, count: int) -> Float[np.ndarray, "S C"]:
        try:
            with one_line(self._name):
                block = self._file.read(count, dtype="float32", always_2d=True)
        except AudioError as error:
            if isinstance(error.__cause__, soundfile.LibsndfileError):
                raise self._damaged() from error
            raise
        if self._pieces is not None and self._pieces.error is not None:
            raise AudioError(f"{self._name}: cannot be read: {self._pieces.error.strerror}")
        self.position += len(block)
        return block

    def _damaged(self) -> AudioError:
        said = "" if self.frames is None else f" of {self.frames / self.rate:.2f} s"
        return AudioError(
            f"{self._name}: damaged or truncated after {self.position / self.rate:.2f} s{said}; "
            "ffmpeg -i FILE REST.wav writes what can be read of it"
        )


@contextlib.contextmanager
def one_line(name: str) -> Iterator[None]:
    """Makes an AudioError of whatever a decoder raises."""
    try:
        yield
    except AudioError:
        raise
    except MemoryError as error:
        raise AudioError(f"{name}: does not fit in memory; split it into shorter files") from error
    except OSError as error:
        raise AudioError(f"{name}: cannot be read: {error.strerror or error}") from error
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise AudioError(f"{name}: cannot be decoded: {reason}") from error


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
        if stat.S_ISDIR(mode):
            raise AudioError(f"{name}: is a folder, not an audio file")
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
            raise AudioError(f"{name}: is a device, not an audio file")
        opened = open(source, "rb", buffering=0)  # noqa: SIM115  closed below
    except FileNotFoundError as error:
        raise AudioError(f"{name}: no such file") from error
    except PermissionError as error:
        raise AudioError(f"{name}: no permission to read it") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AudioError(f"{name}: cannot be read: {reason}") from error
    with opened as file:
        if stat.S_ISREG(mode):
            yield file, source
        else:
            with spool(file, name=name) as copy:
                yield copy, None


def _handle(file: Any) -> int | Pieces:
    """What soundfile opens: a file's descriptor, which is fast and has no name; anything else through Pieces."""
    if isinstance(file, Pieces):
        file.seek(0)
        return file
    if isinstance(file, io.FileIO):
        file.seek(0)
        return file.fileno()
    return Pieces(file, [(0, file.seek(0, os.SEEK_END))])


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
