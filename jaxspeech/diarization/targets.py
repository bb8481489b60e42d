"""Computes the activity of speakers in the frames of a model from turns, by NeMo's rules.

    a[n, s]  = 1 if speaker s speaks in the 10 ms frame n:  int(100 start) <= n < int(100 end)
    y[0]     = mean of a[0 .. 4);   y[i] = mean of a[r i - r / 2 - 1 .. r i + r / 2);   y[T - 1] = mean to the last one

with r = 8 such frames in a frame of 80 ms, and times from the start of the stretch, rounded to milliseconds (NeMo
3.0.0, data/audio_to_diar_label.py). A speaker is active where y >= 0.5.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.diarization.turns import Turn

STEPS_PER_SECOND = 100
ACTIVE = 0.5


class Activity(NamedTuple):
    """The activity of the speakers of a stretch.

    Attributes:
      shares: how much of each frame each speaker speaks, by the rule above.
      speakers: their names, in the order of the columns; further columns are of nobody.
      dropped: the names of the speakers for whom there was no column.
    """

    shares: Float[np.ndarray, "T S"]
    speakers: tuple[str, ...]
    dropped: tuple[str, ...]


def activity_of_turns(
    turns: Sequence[Turn],
    *,
    most_speakers: int,
    seconds: float,
    offset: float = 0.0,
    frame_seconds: float = 0.08,
) -> Activity:
    """Computes the activity in a stretch of a recording.

    Args:
      turns: of the recording, in any order. Speakers get their columns in the order of their first turns here that
        reach into the stretch; the ones after the first `most_speakers` are dropped.
      most_speakers: S, number of columns.
      seconds: length of the stretch.
      offset: its start in the recording, in seconds.
      frame_seconds: of the model, a multiple of 20 ms.
    """
    size = max(int(seconds * STEPS_PER_SECOND), 0)
    ratio = round(frame_seconds * STEPS_PER_SECOND)
    steps = np.zeros((size, most_speakers), np.float64)
    numbers: dict[str, int] = {}
    for turn in turns:
        start = round(turn.start, 3)
        end = start + round(turn.end - turn.start, 3)
        if start > end or not (end > offset and start < offset + seconds):
            continue
        number = numbers.setdefault(turn.speaker, len(numbers))
        if number < most_speakers:
            start, end = round(max(start, offset), 3), round(min(end, offset + seconds), 3)
            start, end = max(offset, start), min(offset + seconds, end)
            first, last = (int((edge - offset) * STEPS_PER_SECOND) for edge in (start, end))
            steps[first:last, number] = 1
    names = tuple(numbers)
    # Of 1.13 s there are 15 frames, although 1.13 times 100 is a little less than 113.
    count = math.ceil(int(seconds * STEPS_PER_SECOND + 1e-6) / ratio)
    return Activity(_means(steps, count, ratio), names[:most_speakers], names[most_speakers:])


def _means(steps: Float[np.ndarray, "N S"], count: int, ratio: int) -> Float[np.ndarray, "T S"]:
    """The mean of the 10 ms frames that belong to each of `count` frames."""
    size = len(steps)
    middles = ratio * np.arange(count) - 1
    low = np.clip(middles - ratio // 2, 0, size)
    high = np.clip(middles + ratio // 2 + 1, 0, size)
    if count:
        low[0], high[-1] = 0, size
    sums = np.concatenate([np.zeros((1, steps.shape[1])), np.cumsum(steps, 0)])
    return ((sums[high] - sums[low]) / np.maximum(high - low, 1)[:, None]).astype(np.float32)
