"""Reads audio files (WAV, FLAC, Ogg Vorbis and Opus, MP3, ..., and with ffmpeg m4a, webm, ...) as float32 samples."""

import io
import math
import os
from typing import IO

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.convert import Channel, mix_down
from jaxspeech.audio.decoder import Part, one_line, open_parts
from jaxspeech.audio.resample import resample
from jaxspeech.errors import AudioError

Source = str | os.PathLike | io.IOBase | IO[bytes]
# Longer than any recording, and still a number of samples.
_FOREVER = 1e12


def read(
    path: Source,
    *,
    name: str | None = None,
    sample_rate: int | None = None,
    offset: int | float = 0.0,
    duration: int | float | None = None,
    channel: Channel = "mean",
) -> tuple[Float[np.ndarray, " S"], int]:
    """Read the samples of a recording, or of a part of it, as one channel.

    Args:
      path: path of an audio file or of a pipe, or a binary file object, which is read from its start.
      name: the name in error messages; the path by default.
      sample_rate: rate of the result in Hz; the file's own by default.
      offset: seconds to skip.
      duration: seconds to read, or less if the file ends earlier; to the end by default.
      channel: "mean" of the channels (see `convert.mix_down`), or the number of one, counted from 0.

    Returns:
      (samples in [-1, 1], rate in Hz). Where recordings were joined to one file, all of them.

    Raises:
      AudioError: one line with the path: the file is missing, empty, not audio, damaged or without samples, the
        offset lies outside the file, or there is no such channel.
    """
    name = _name(path, name)
    stretches, rate = _stretches(path, name, offset, duration)
    with one_line(name):
        mono = [
            resample(mix_down(samples, channel=channel, name=name), from_rate, rate) for samples, from_rate in stretches
        ]
        samples = mono[0] if len(mono) == 1 else np.concatenate(mono)
        if sample_rate is None or sample_rate == rate:
            return samples, rate
        return resample(samples, rate, sample_rate), sample_rate


def read_channels(
    path: Source,
    *,
    name: str | None = None,
    sample_rate: int | None = None,
    offset: int | float = 0.0,
    duration: int | float | None = None,
) -> tuple[Float[np.ndarray, "C S"], int]:
    """Read the samples of all channels of a recording, or of a part of it.

    Takes the arguments of `read`, but for `channel`.

    Returns:
      (samples in [-1, 1], rate in Hz).

    Raises:
      AudioError: as in `read`; or a sample is NaN or infinite, or the number of channels changes within the file.
    """
    name = _name(path, name)
    stretches, rate = _stretches(path, name, offset, duration)
    with one_line(name):
        if len({samples.shape[1] for samples, _ in stretches}) > 1:
            raise AudioError(f"{name}: joins recordings with different numbers of channels")
        samples = np.concatenate([resample(samples, from_rate, rate) for samples, from_rate in stretches])
        if not np.isfinite(samples).all():
            raise AudioError(f"{name}: holds NaN or infinite samples")
        if sample_rate is not None and sample_rate != rate:
            samples, rate = resample(samples, rate, sample_rate), sample_rate
        return np.ascontiguousarray(samples.T, np.float32), rate


def read_seconds(path: Source, *, name: str | None = None) -> float:
    """Read the length of a recording: from its headers where they are right, by decoding it where they are not.

    Raises:
      AudioError: as in `read`.
    """
    name = _name(path, name)
    with open_parts(path, name=name, until=0.0) as parts:
        seconds = sum(_frames(part) / part.rate for part in parts)
    if not seconds > 0.0:
        raise AudioError(f"{name}: holds no samples")
    return seconds


def count_channels(path: Source, *, name: str | None = None) -> int:
    """Read the number of channels of a recording.

    Raises:
      AudioError: as in `read`.
    """
    with open_parts(path, name=_name(path, name), until=0.0) as parts:
        return parts[0].channels


def _stretches(
    path: Source, name: str, offset: int | float, duration: int | float | None
) -> tuple[list[tuple[Float[np.ndarray, "_ _"], int]], int]:
    """The samples [S C] of each recording in the file and their rate, and the rate of the first, which counts."""
    if not offset >= 0.0:
        raise AudioError(f"{name}: the offset is {offset:g} s; it must not be negative")
    if duration is not None and not duration > 0.0:
        raise AudioError(f"{name}: the duration is {duration:g} s; it must be positive")
    until = math.inf if duration is None else offset + duration
    duration = _FOREVER if duration is None else min(duration, _FOREVER)
    found: list[tuple[np.ndarray, int]] = []
    with open_parts(path, name=name, until=until) as parts:
        rate = parts[0].rate
        # In samples of the first recording.
        skipped, start = 0, round(min(offset, _FOREVER) * rate)
        stop = start + max(1, round(duration * rate))
        for part in parts:
            scale = part.rate / rate
            if part.frames is not None and skipped + math.ceil(part.frames / scale) <= start:
                skipped += round(part.frames / scale)
                continue
            if skipped >= stop:
                break
            first = max(0, round((start - skipped) * scale))
            blocks = list(part.blocks(first, max(0, round((stop - skipped) * scale) - first)))
            skipped += round(part.position / scale)
            if blocks:
                found.append((blocks[0] if len(blocks) == 1 else np.concatenate(blocks), part.rate))
    if not found and not skipped:
        raise AudioError(f"{name}: holds no samples")
    if not found:
        raise AudioError(f"{name}: the offset of {offset:g} s lies past the end ({skipped / rate:g} s)")
    return found, rate


def _frames(part: Part) -> int:
    """The number of samples of a recording, by decoding it if nothing else says it."""
    if part.frames is not None:
        return part.frames
    for _ in part.blocks(0, None):
        pass
    return part.position


def _name(path: Source, name: str | None) -> str:
    return name if name is not None else str(path) if isinstance(path, str | os.PathLike) else "audio"
