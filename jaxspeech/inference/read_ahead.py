"""Reads recordings in background threads while earlier ones are on the device; a failure is one recording's result."""

import io
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.convert import Channel, to_samples
from jaxspeech.audio.read import read
from jaxspeech.audio.resample import check_rate, resample
from jaxspeech.errors import ManifestError, SpeechError, as_speech_error
from jaxspeech.inference.inputs import PIPE, Recording

# A whole window is sorted by length. Two windows are in memory: one is being processed, one is being read.
WINDOW_RECORDINGS = 512
WINDOW_SECONDS = 3600.0
NUM_THREADS = 4

# Recordings, each with its samples [S] or with the error that prevented reading it.
Window = list[tuple[Recording, np.ndarray | SpeechError]]


def read_windows(
    recordings: Iterable[Recording], read: Callable[[Recording], Any], *, sample_rate: int
) -> Iterator[Window]:
    """Yields the recordings with their samples, in order, in windows; each is read while the previous one is used."""
    waiting = iter(recordings)

    def next_window() -> Window:
        window: Window = []
        room = WINDOW_SECONDS * sample_rate
        while len(window) < WINDOW_RECORDINGS and room > 0 and (some := list(islice(waiting, NUM_THREADS))):
            for recording, samples in zip(some, readers.map(read, some), strict=True):
                window.append((recording, samples))
                room -= 0 if isinstance(samples, SpeechError) else len(samples)
        return window

    with ThreadPoolExecutor(NUM_THREADS) as readers, ThreadPoolExecutor(1) as ahead:
        future = ahead.submit(next_window)
        while window := future.result():
            future = ahead.submit(next_window)
            yield window


def read_recording(
    recording: Recording, *, sample_rate: int, array_rate: int | None = None, channel: Channel = "mean"
) -> Float[np.ndarray, " S"] | SpeechError:
    """Returns the recording's samples at `sample_rate`, or the error that prevents reading them, of whatever kind.

    Args:
      recording: the recording to read.
      sample_rate: wanted rate in Hz.
      array_rate: rate in Hz of recordings that are arrays; None: `sample_rate`.
      channel: which channel to use, see `audio.read`.
    """
    if recording.problem:
        return ManifestError(recording.problem)
    try:
        if recording.audio == PIPE if isinstance(recording.audio, str) else isinstance(recording.audio, Path):
            samples, _ = read(
                _opened(recording.audio),
                name=recording.source,
                sample_rate=sample_rate,
                offset=recording.offset,
                duration=recording.duration,
                channel=channel,
            )
            return samples
        samples = to_samples(recording.audio, channel=channel, name=recording.source)
        return samples if array_rate is None else resample(samples, check_rate(array_rate), sample_rate)
    except Exception as error:  # of a decoder, the file system, an array's own code, or for lack of memory
        return as_speech_error(error, recording.source)


def _opened(audio: str | Path) -> Path | io.BytesIO:
    """What `audio.read` takes: the content of a pipe or a device, which cannot be sought in; or the path itself."""
    if isinstance(audio, str):
        return io.BytesIO(sys.stdin.buffer.read())
    try:
        mode = audio.stat().st_mode
    except OSError:
        return audio  # reading it reports why
    if not (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
        return audio
    with open(audio, "rb") as pipe:
        return io.BytesIO(pipe.read())
