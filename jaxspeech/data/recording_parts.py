"""Cuts recordings into parts, as numbers alone: the recording of each part, its start and its length."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Parts(NamedTuple):
    """Parts of recordings, in the order of the recordings.

    Attributes:
      of: the recording of each part, by its number.
      starts: seconds from the start of the recording.
      durations: seconds of each part.
    """

    of: Int[np.ndarray, " P"]
    starts: Float[np.ndarray, " P"]
    durations: Float[np.ndarray, " P"]


def equal_parts(durations: Float[np.ndarray, " N"], most_seconds: int | float) -> Parts:
    """Cuts each recording into equal parts, as few as are not longer than `most_seconds`."""
    counts = np.maximum(np.ceil(durations / most_seconds - 1e-6), 1).astype(np.int64)
    of, number = _numbered(counts)
    lengths = np.repeat(durations / counts, counts)
    return Parts(of, number * lengths, lengths)


def windows(durations: Float[np.ndarray, " N"], seconds: int | float, hop: int | float) -> Parts:
    """Cuts each recording into windows, `hop` seconds apart; the last one ends with it and may be shorter."""
    counts = np.maximum(np.ceil((durations - seconds) / hop - 1e-6), 0).astype(np.int64) + 1
    of, number = _numbered(counts)
    starts = number * float(hop)
    return Parts(of, starts, np.minimum(durations[of] - starts, seconds))


def _numbered(counts: Int[np.ndarray, " N"]) -> tuple[Int[np.ndarray, " P"], Int[np.ndarray, " P"]]:
    """The recording of each part, and the number of the part in it."""
    of = np.repeat(np.arange(len(counts)), counts)
    return of, np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)
