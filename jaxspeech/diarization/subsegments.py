"""Cuts segments of speech into the short, overlapping windows whose embeddings are clustered.

    n = 1, or ceil((length - window) / shift) + 1 if the segment is longer than the window
    [start + k shift, start + k shift + window],  k = 0 ... n - 1,  the last one cut at the end of the segment

All segments are cut at once. Equal to NeMo's loop (`get_subsegments_scriptable` of speaker_utils.py).
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.errors import ConfigError

Number = int | float
# Shorter windows hold too little of a voice, in seconds.
SHORTEST = 0.05


class Subsegments(NamedTuple):
    """Windows of speech: start and end of each in seconds, and the number of its segment."""

    times: Float[np.ndarray, "M 2"]
    segment: Int[np.ndarray, " M"]


def subsegments(
    segments: Float[Any, "N 2"], *, window: Number, shift: Number, shortest: Number = SHORTEST
) -> Subsegments:
    """Cuts segments into windows.

    Args:
      segments: start and end of each in seconds.
      window: length of a window in seconds.
      shift: from the start of a window to the next, in seconds.
      shortest: windows of this length or less are dropped, in seconds.

    Raises:
      ConfigError: the window or the shift is not above 0.
    """
    for name, value in (("window", window), ("shift", shift)):
        if not value > 0:
            raise ConfigError(f"the {name} is {value!r}; it must be a number of seconds above 0")
    segments = np.asarray(segments, np.float64).reshape(-1, 2)
    start, length = segments[:, 0], segments[:, 1] - segments[:, 0]
    counts = np.maximum(np.ceil((length - window) / shift), 0).astype(np.int64) + 1
    owner = np.repeat(np.arange(len(segments)), counts)
    number = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    begin = start[owner] + number * shift
    end = np.minimum(begin + window, (start + length)[owner])
    kept = end - begin > shortest
    return Subsegments(np.stack([begin, end], 1)[kept], owner[kept])


def merge_overlaps(segments: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "M 2"]:
    """Joins segments that overlap; those that only touch stay separate. The result is in order."""
    segments = np.asarray(segments, np.float64).reshape(-1, 2)
    segments = segments[np.argsort(segments[:, 0], kind="stable")]
    if len(segments) < 2:
        return segments
    reached = np.maximum.accumulate(segments[:, 1])
    heads = np.append(True, segments[1:, 0] >= reached[:-1])
    return np.stack([segments[heads, 0], reached[np.append(heads[1:], True)]], 1)
