"""Smooths probabilities that were computed for overlapping windows, as NeMo's `generate_overlap_vad_seq`.

Window i, which begins at frame i * shift, says something about the `length` frames that follow; every `step`-th window
counts, and a frame gets the mean or the median of the windows that contain it.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.errors import ConfigError, did_you_mean

METHODS = ("mean", "median")
# Frames whose windows are gathered at once, to bound the memory.
CHUNK = 1 << 16


def smooth(
    probabilities: Float[Any, " N"],
    method: str,
    *,
    window_seconds: float,
    overlap: float,
    shift_seconds: float = 0.01,
    frame_seconds: float = 0.01,
) -> Float[np.ndarray, " T"]:
    """Combines the probabilities of windows to one for each frame.

    Args:
      probabilities: of each window.
      method: "mean" or "median" (the mean of the middle two of an even number).
      window_seconds: length of a window.
      overlap: share of a window that the next one to count overlaps, below 1.
      shift_seconds: from the start of a window to that of the next.
      frame_seconds: length of the frames of the result, N * shift / frame of them.

    Raises:
      ConfigError: the method is unknown, or the windows overlap so much that none would be left out.
    """
    if method not in METHODS:
        raise ConfigError(f"smoothing {method!r}{did_you_mean(str(method), METHODS)}")
    shift, length = int(shift_seconds / frame_seconds), int(window_seconds / frame_seconds + 1)
    step = int(int(length * (1 - overlap)) / shift) if shift else 0
    if step < 1:
        raise ConfigError(
            f"smoothing: windows of {window_seconds:g} s, {shift_seconds:g} s apart, cannot overlap by {overlap:g}; "
            "use a smaller overlap"
        )
    p = np.asarray(probabilities, np.float64)
    kept, frames = p[::step], np.arange(len(p) * shift)
    last = np.minimum(frames // (step * shift), len(kept) - 1)
    first = np.maximum(-((length - 1 - frames) // (step * shift)), 0)
    combined = (_means if method == "mean" else _medians)(kept, first, last)
    if len(combined):
        covered = np.flatnonzero(first <= last)
        combined[first > last] = combined[covered[-1]]
    return combined.astype(np.float32)


def _means(
    values: Float[np.ndarray, " K"], first: Int[np.ndarray, " T"], last: Int[np.ndarray, " T"]
) -> Float[np.ndarray, " T"]:
    sums = np.concatenate([[0.0], np.cumsum(values)])
    count = np.maximum(last - first + 1, 1)
    return (sums[last + 1] - sums[np.minimum(first, last + 1)]) / count


def _medians(
    values: Float[np.ndarray, " K"], first: Int[np.ndarray, " T"], last: Int[np.ndarray, " T"]
) -> Float[np.ndarray, " T"]:
    # Neighbouring frames are in the same windows: each pair of first and last window is computed once.
    (pairs, which) = np.unique(np.stack([first, last], 1), axis=0, return_inverse=True)
    medians = np.zeros(len(pairs))
    if not len(pairs):
        return medians
    places = np.arange(max(int((pairs[:, 1] - pairs[:, 0]).max()) + 1, 1))
    for begin in range(0, len(pairs), CHUNK):
        part = pairs[begin : begin + CHUNK]
        index = part[:, :1] + places
        inside = index <= part[:, 1:]
        ordered = np.sort(np.where(inside, values[np.minimum(index, len(values) - 1)], np.inf), axis=1)
        count = np.maximum(inside.sum(1), 1)
        rows = np.arange(len(part))
        medians[begin : begin + CHUNK] = (ordered[rows, (count - 1) // 2] + ordered[rows, count // 2]) / 2
    return medians[which.reshape(-1)]
