"""Joins the activity of overlapping windows to that of the whole recording, when it is known who is who.

    activity(t, k) = sum over windows of weight(t) p(t, speaker k of the window) / sum of the weights

A weight falls linearly towards the ends of a window, where less is heard around a frame. Where a speaker has two tracks
of a window, the more probable one counts.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from jaxspeech.diarization.tracks import Track, Window


class Span(NamedTuple):
    """A window of a recording, in frames: the first, and the one after the last."""

    first: int
    last: int


def window_spans(num_frames: int, *, length: int, shift: int) -> list[Span]:
    """Returns windows of one length over all frames; the last one ends with the recording.

    Args:
      num_frames: of the recording.
      length, shift: of the windows, in frames; a recording of at most `length` is one window.
    """
    if num_frames <= length:
        return [Span(0, num_frames)]
    count = -(-(num_frames - length) // shift) + 1
    return [
        Span(min(i * shift, num_frames - length), min(i * shift, num_frames - length) + length) for i in range(count)
    ]


def stitch(
    windows: Sequence[Window], tracks: Sequence[Track], labels: Int[np.ndarray, " N"], *, num_frames: int
) -> Float[np.ndarray, "T K"]:
    """Computes the activity of the recording's speakers, in the order in which they speak first.

    Args:
      windows: that cover all frames.
      tracks: of these windows; what belongs to none is not active.
      labels: the number of each track's speaker.
      num_frames: of the recording.
    """
    count = int(labels.max()) + 1 if len(labels) else 0
    sums, weights = np.zeros((num_frames, count), np.float32), np.zeros((num_frames, 1), np.float32)
    by_window: dict[int, list[int]] = {}
    for i, track in enumerate(tracks):
        by_window.setdefault(track.window, []).append(i)
    for number, (first, probabilities) in enumerate(windows):
        size = min(len(probabilities), num_frames - first)
        own = np.zeros((len(probabilities), count), np.float32)
        for i in by_window.get(number, []):
            track, frames = tracks[i], np.s_[tracks[i].begin : tracks[i].end]
            own[frames, labels[i]] = np.maximum(own[frames, labels[i]], probabilities[frames, track.speaker])
        places = np.arange(len(probabilities))
        weight = (np.minimum(places, places[::-1]) + 1).astype(np.float32)[:size, None]
        sums[first : first + size] += own[:size] * weight
        weights[first : first + size] += weight
    found = sums / np.maximum(weights, 1e-6)
    return found[:, order_of_speaking(found)]


def order_of_speaking(activity: Float[np.ndarray, "T K"], border: float = 0.5) -> Int[np.ndarray, " K"]:
    """Returns the columns in the order of their first frame above the border; those without one are last."""
    active = activity > border
    first = np.where(active.any(0), active.argmax(0), len(activity)) if len(activity) else np.zeros(activity.shape[1])
    return np.argsort(first, kind="stable")


def chain(windows: Sequence[Window], *, border: float = 0.5) -> Float[np.ndarray, "T S"]:
    """Joins windows without embeddings: a speaker is who is active at the same time in the window before.

    One who is silent where two windows overlap is taken for one who has not been assigned, since there are as many
    speakers in the recording as in a window.
    """
    total = max(first + len(probabilities) for first, probabilities in windows)
    speakers = windows[0].probabilities.shape[1]
    sums, weights = np.zeros((total, speakers), np.float32), np.zeros((total, 1), np.float32)
    heard = np.zeros(speakers, bool)
    for first, probabilities in windows:
        size = len(probabilities)
        known = np.flatnonzero(weights[first : first + size, 0])
        columns = np.arange(speakers)
        if len(known):
            before, now = sums[first + known] / weights[first + known], probabilities[known]
            together = np.minimum(before[:, :, None], now[:, None, :]).sum(0)
            # One who begins later in the window has rather been heard before, where nothing else decides.
            later = (probabilities > border).any(0) & ~(now > border).any(0)
            together += 1e-3 * np.outer(heard, later)
            columns = linear_sum_assignment(-together)[1]
        places = np.arange(size)
        weight = (np.minimum(places, places[::-1]) + 1).astype(np.float32)[:, None]
        sums[first : first + size] += probabilities[:, columns] * weight
        weights[first : first + size] += weight
        heard |= (probabilities[:, columns] > border).any(0)
    return sums / np.maximum(weights, 1e-6)
