"""Decodes recordings with libsndfile, block by block, and makes one line of whatever goes wrong."""

import contextlib
import io
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import soundfile
from jaxtyping import Float

from jaxspeech.audio import flac
from jaxspeech.audio.links import Link
from jaxspeech.audio.pieces import Pieces
from jaxspeech.errors import AudioError
from jaxspeech.runtime.platform import sound_name

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
_SETTLES = 0.4
# A decoder of Opus keeps a trace of all that it has heard (3e-3 of full scale), so this much is decoded from the start.
_OPUS_EXACT = 30.0


class UnknownFormat(AudioError):
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
    """A recording that libsndfile decodes; see `Part`.

    Attributes:
      stored: libsndfile's format, subtype and byte order.
    """

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
                    if path is None or not link.untouched or suffix not in _BY_NAME:
                        raise
                    self._file = _Unmoved(sound_name(path))  # pyright: ignore[reportArgumentType]
        except AudioError as error:
            if not isinstance(error.__cause__, soundfile.LibsndfileError):
                raise
            unknown = UnknownFormat(
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
        self.stored = (self._file.format, self._file.subtype, self._file.endian)
        self.frames: int | None = self._file.frames if self._file.frames < _UNKNOWN else None
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
        stop = stop if self.frames is None or stop is None else min(stop, self.frames)
        while stop is None or self.position < stop:
            most = max(1, BLOCK_VALUES // self.channels)
            block = self._decode(most if stop is None else min(most, stop - self.position))
            if not len(block):
                break
            yield block
        slack = TOLERANCE_FRAMES if self._file.subtype in _LOSSY and stop == self.frames else 0
        if self.frames is not None and stop is not None and self.position + slack < stop:
            raise self._damaged()

    def _skip(self, start: int) -> None:
        """Moves to a sample: by seeking, or, where the format cannot, by decoding."""
        settles = round(_SETTLES * self.rate) if self._file.subtype in _SETTLING else 0
        exact = self._file.subtype == "OPUS" and start <= _OPUS_EXACT * self.rate
        if start > settles and not exact and (self.frames is None or start <= self.frames):
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
            if not isinstance(error.__cause__, soundfile.LibsndfileError):
                raise
            block = self._decode_without_rest(count)
            if block is None:
                raise self._damaged() from error
        if self._pieces is not None and self._pieces.error is not None:
            raise AudioError(f"{self._name}: cannot be read: {self._pieces.error.strerror}")
        self.position += len(block)
        return block if 2 * len(block) >= count else block.copy()  # a view would keep all that was asked for

    def _decode_without_rest(self, count: int) -> Float[np.ndarray, "S C"] | None:
        """The block, without what follows the last frame of FLAC, which may look like a damaged one; None if it is."""
        if self._file.format != "FLAC":
            return None
        for end in flac.find_ends(self._link.file, self._link.file.seek(0, os.SEEK_END)):
            self._file.close()
            try:
                self._file = _Unmoved(Pieces(self._link.file, [(0, end)]))  # pyright: ignore[reportArgumentType]
                self._file.seek(self.position)
                return self._file.read(count, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError:
                continue
        return None

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


def _handle(file: Any) -> int | Pieces:
    """What soundfile opens: a file's descriptor, which is fast and has no name; anything else through Pieces."""
    if isinstance(file, Pieces):
        file.seek(0)
        return file
    if isinstance(file, io.FileIO):
        file.seek(0)
        return file.fileno()
    return Pieces(file, [(0, file.seek(0, os.SEEK_END))])
