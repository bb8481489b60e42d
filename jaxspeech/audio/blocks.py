"""Reads and writes recordings with all their channels block by block, so that their length does not matter.

with open_recording("talk.flac", name="talk.flac") as recording:
    with write_recording("clean/talk.flac", recording.stored) as write:
        for block in recording.blocks(): write(block)
"""

import contextlib
import math
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import soxr
from jaxtyping import Float

from jaxspeech.audio import ffmpeg
from jaxspeech.audio.decoder import Part, open_parts
from jaxspeech.audio.read import Source
from jaxspeech.audio.sndfile import one_line
from jaxspeech.errors import AudioError, OutputError

# Seconds of a block at most, in memory with all channels.
BLOCK_SECONDS = 10.0
# For a file that nothing says how to store, such as samples without a header.
DEFAULT_FORMAT, DEFAULT_SUBTYPE = "WAV", "PCM_16"


class Stored(NamedTuple):
    """How samples are stored in a file.

    Attributes:
      rate: in Hz.
      channels: their number.
      format, subtype, endian: those of libsndfile; the format is "" for what ffmpeg reads and writes.
    """

    rate: int
    channels: int
    format: str = DEFAULT_FORMAT
    subtype: str = DEFAULT_SUBTYPE
    endian: str = "FILE"


class OpenRecording(NamedTuple):
    """A recording that is open for reading, once.

    Attributes:
      stored: how its samples are stored.
      blocks: yields its samples in order, [C S] float32 at its rate.
    """

    stored: Stored
    blocks: Callable[[], Iterator[Float[np.ndarray, "C S"]]]


@contextlib.contextmanager
def open_recording(
    source: Source, *, name: str, offset: float = 0.0, duration: float | None = None
) -> Iterator[OpenRecording]:
    """Opens a recording, or a part of it, for reading. Where recordings were joined to one file, all of them.

    Args:
      source: path of an audio file, or a binary file, which is read from its start.
      name: in error messages.
      offset: seconds to skip.
      duration: seconds to read, or less if the file ends earlier; None: to the end.

    Raises:
      AudioError: one line with the name: it cannot be opened, or, from `blocks`, is damaged, holds NaN or no samples,
        or the offset lies past its end.
    """
    if not offset >= 0.0:
        raise AudioError(f"{name}: the offset is {offset:g} s; it must not be negative")
    if duration is not None and not duration > 0.0:
        raise AudioError(f"{name}: the duration is {duration:g} s; it must be positive")
    until = math.inf if duration is None else offset + duration
    with open_parts(source, name=name, until=until) as parts:
        first = parts[0]
        start = round(offset * first.rate)
        stop = None if duration is None else start + max(1, round(duration * first.rate))
        yield OpenRecording(_stored(first), lambda: _blocks(parts, start, stop, name))


def _stored(part: Part) -> Stored:
    kind: tuple[str, ...] = getattr(part, "stored", ("",))
    return Stored(part.rate, part.channels, *kind)


def _blocks(parts: Any, start: int, stop: int | None, name: str) -> Iterator[Float[np.ndarray, "C S"]]:
    """The samples from `start` to `stop`, which count at the rate of the first part."""
    rate, channels = parts[0].rate, parts[0].channels
    most = round(BLOCK_SECONDS * rate)
    skipped, found = 0, False
    for part in parts:
        if stop is not None and skipped >= stop:
            break
        if part.channels != channels:
            raise AudioError(f"{name}: joins recordings of {channels} and of {part.channels} channels")
        scale = part.rate / rate
        first = max(0, round((start - skipped) * scale))
        count = None if stop is None else max(0, round((stop - skipped) * scale) - first)
        resampler = Resampler(part.rate, rate, channels)
        for block in part.blocks(first, count):
            found = True
            if not np.isfinite(block).all():
                raise AudioError(f"{name}: holds NaN or infinite samples")
            for begin in range(0, block.shape[0], most):
                yield resampler.push(block[begin : begin + most].T)
        yield resampler.finish()
        skipped += round(part.position / scale)
    if not found:
        past = f"the offset of {start / rate:g} s lies past the end ({skipped / rate:g} s)"
        raise AudioError(f"{name}: {past if skipped else 'holds no samples'}")


class Resampler:
    """Changes the rate of samples that come block by block, as `resample` does that of a whole recording."""

    def __init__(self, from_rate: int | float, to_rate: int | float, channels: int):
        same = from_rate == to_rate
        self._stream = None if same else soxr.ResampleStream(from_rate, to_rate, channels, dtype="float32")
        self._channels = channels

    def push(self, block: Float[np.ndarray, "C S"]) -> Float[np.ndarray, "C R"]:
        """Takes the next samples, and returns those at the other rate that are known so far."""
        if self._stream is None:
            return np.ascontiguousarray(block, np.float32)
        return self._resampled(np.ascontiguousarray(block.T, np.float32), last=False)

    def finish(self) -> Float[np.ndarray, "C R"]:
        """Returns the rest."""
        if self._stream is None:
            return np.zeros((self._channels, 0), np.float32)
        return self._resampled(np.zeros((0, self._channels), np.float32), last=True)

    def _resampled(self, block: Float[np.ndarray, "S C"], *, last: bool) -> Float[np.ndarray, "C R"]:
        assert self._stream is not None
        # soxr wants one channel as [S].
        found = self._stream.resample_chunk(block[:, 0] if self._channels == 1 else block, last=last)
        return found.reshape(-1, self._channels).T


@contextlib.contextmanager
def write_recording(
    path: str | os.PathLike[str], stored: Stored, *, name: str | None = None
) -> Iterator[Callable[[Float[np.ndarray, "C S"]], None]]:
    """Gives a function that writes the next samples of a new file; louder ones than 1 are clipped, but for floats.

    Args:
      path: of the file, whose suffix ffmpeg needs for the formats that libsndfile does not write.
      stored: how the samples are stored.
      name: in error messages; the path by default.

    Raises:
      AudioError: the format cannot be written.
      OutputError: the file cannot be written, for example for lack of space.
    """
    name = os.fspath(path) if name is None else name
    if not stored.format:
        with _through_ffmpeg(Path(path), stored, name) as write:
            yield write
        return
    try:
        kind: Any = {"format": stored.format, "subtype": stored.subtype, "endian": stored.endian}
        file = soundfile.SoundFile(os.fspath(path), "w", samplerate=stored.rate, channels=stored.channels, **kind)
    except (soundfile.LibsndfileError, ValueError, TypeError) as error:
        if isinstance(error, soundfile.LibsndfileError) and error.code == 2:  # of the system
            raise OutputError(f"{name}: cannot be written") from error
        raise AudioError(f"{name}: {stored.format} of {stored.subtype} can be read, but not written") from error

    def write(block: Float[np.ndarray, "C S"], /) -> None:
        try:
            file.write(np.ascontiguousarray(block.T, np.float32))
        except (soundfile.LibsndfileError, OSError, AssertionError) as error:  # soundfile asserts that all was written
            raise OutputError(f"{name}: cannot be written; is there space left?") from error

    with file:
        yield write


@contextlib.contextmanager
def _through_ffmpeg(path: Path, stored: Stored, name: str) -> Iterator[Callable[[Float[np.ndarray, "C S"]], None]]:
    command = ffmpeg.find_ffmpeg()
    if command is None:
        raise AudioError(f"{name}: a file {path.suffix} cannot be written without ffmpeg")
    line = [command, "-nostdin", "-hide_banner", "-loglevel", "error", "-y"]
    line += ["-f", "f32le", "-ar", str(stored.rate), "-ac", str(stored.channels), "-i", "pipe:0", f"file:{path}"]
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=messages)
        pipe: Any = process.stdin

        def ended() -> AudioError:
            process.wait()
            messages.seek(0)
            said = " ".join(messages.read(1 << 12).decode(errors="replace").split())[:200] or "no message"
            return AudioError(f"{name}: ffmpeg cannot write it ({said})")

        def write(block: Float[np.ndarray, "C S"], /) -> None:
            try:
                pipe.write(np.ascontiguousarray(block.T, "<f4").tobytes())
            except OSError as error:
                raise ended() from error

        try:
            with one_line(name):
                yield write
                with contextlib.suppress(OSError):
                    pipe.close()
                if process.wait():
                    raise ended()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
