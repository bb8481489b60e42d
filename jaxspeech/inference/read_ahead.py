"""Reads recordings in background threads while earlier ones are on the device."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np

from jaxspeech.errors import SpeechError
from jaxspeech.inference.inputs import Recording

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
