"""Reads audio files (WAV, FLAC, Ogg Vorbis and Opus, MP3, and whatever else libsndfile reads) as mono float32."""

import io
import os
from contextlib import contextmanager

import numpy as np
import soundfile
from jaxtyping import Float

from jaxspeech.audio.convert import Channel, mix_down
from jaxspeech.audio.resample import resample
from jaxspeech.errors import AudioError
from jaxspeech.runtime.platform import sound_name


def read(
    path: str | os.PathLike | io.IOBase,
    *,
    name: str | None = None,
    sample_rate: int | None = None,
    offset: int | float = 0.0,
    duration: int | float | None = None,
    channel: Channel = "mean",
) -> tuple[Float[np.ndarray, " S"], int]:
    """Read the samples of a recording, or of a part of it.

    Args:
      path: path of an audio file, or a binary file object.
      name: the name in error messages; the path by default.
      sample_rate: rate of the result in Hz; the file's own by default.
      offset: seconds to skip, by seeking.
      duration: seconds to read, or less if the file ends earlier; to the end by default.
      channel: "mean" of the channels, or the number of one, counted from 0.

    Returns:
      (samples in [-1, 1], rate in Hz).

    Raises:
      AudioError: one line with the path: the file is missing, empty, not audio, damaged or without samples, the
        offset lies outside the file, or there is no such channel.
    """
    name = str(path) if name is None else name
    if not offset >= 0.0:
        raise AudioError(f"{name}: the offset is {offset:g} s; it must not be negative")
    if duration is not None and not duration > 0.0:
        raise AudioError(f"{name}: the duration is {duration:g} s; it must be positive")
    with _open(path, name) as file:
        start = round(offset * file.samplerate)
        left = file.frames - start
        if left <= 0:
            raise AudioError(
                f"{name}: the offset of {offset:g} s lies past the end ({file.frames / file.samplerate:g} s)"
            )
        wanted = left if duration is None else min(left, max(1, round(duration * file.samplerate)))
        if start:
            file.seek(start)
        samples = file.read(wanted, dtype="float32", always_2d=True)
        if len(samples) < wanted:
            raise AudioError(f"{name}: damaged or truncated after {(start + len(samples)) / file.samplerate:.2f} s")
        rate = file.samplerate
    mono = mix_down(samples, channel=channel, name=name)
    if sample_rate is None or sample_rate == rate:
        return mono, rate
    return resample(mono, rate, sample_rate), sample_rate


def read_seconds(path: str | os.PathLike | io.IOBase, *, name: str | None = None) -> float:
    """Read the length of a recording from its header alone.

    Raises:
      AudioError: as in `read`.
    """
    with _open(path, str(path) if name is None else name) as file:
        return file.frames / file.samplerate


@contextmanager
def _open(path: str | os.PathLike | io.IOBase, name: str):
    """Open a sound file; errors in opening or reading it become an AudioError of one line."""
    if isinstance(path, str | os.PathLike):
        if not os.path.isfile(path):
            raise AudioError(f"{name}: {'is a folder, not an audio file' if os.path.isdir(path) else 'no such file'}")
        if os.path.getsize(path) == 0:
            raise AudioError(f"{name}: is an empty file")
    try:
        named = isinstance(path, str | os.PathLike)
        file = soundfile.SoundFile(sound_name(path) if named else path)  # pyright: ignore[reportArgumentType]
    except soundfile.LibsndfileError as error:
        if isinstance(path, str | os.PathLike) and not os.access(path, os.R_OK):
            raise AudioError(f"{name}: no permission to read it") from error
        raise AudioError(f"{name}: not audio in a known format (WAV, FLAC, Ogg, MP3, ...), or damaged") from error
    with file:
        if file.frames <= 0:
            raise AudioError(f"{name}: holds no samples")
        try:
            yield file
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{name}: damaged: {error.error_string.strip().rstrip('.')}") from error
