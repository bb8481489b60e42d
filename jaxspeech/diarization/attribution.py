"""Finds who said each word: by the turns of the speakers, or by the probabilities that they speak.

    speaker = argmax_s  mean over the frames t of the word of activity[t, s]       where there are probabilities
    speaker = argmax_s  seconds of the word in turns of s                          where there are only turns

Of equal ones it is the speaker of the word before. A word in nobody's turn is the nearest speaker's, and nobody's if
all turns are far away. As in NeMo, a word's frames begin one earlier, because models emit a word a little after it is
heard.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.diarization.turns import Turn

# A word that is further away from all turns, in seconds, is nobody's.
FURTHEST_SECONDS = 3.0
# Frames before a word that count as its own.
EARLIER_FRAMES = 1
# A word without a length takes so much time, in seconds.
SHORTEST_SECONDS = 0.02
# Scores that differ by less are equal.
EQUAL = 1e-6


class Activity(NamedTuple):
    """The probabilities that speakers speak.

    Attributes:
      probabilities: of each frame and speaker.
      speakers: the name of each column.
      frame_seconds: time of a frame, in seconds.
      start: time of the first frame, in seconds.
    """

    probabilities: Float[np.ndarray, "T S"]
    speakers: tuple[str, ...]
    frame_seconds: float
    start: float = 0.0


def word_speakers(
    times: Float[np.ndarray, "N 2"],
    turns: Sequence[Turn],
    activity: Activity | None = None,
    *,
    before: str | None = None,
) -> list[str | None]:
    """Finds the speaker of each word.

    Args:
      times: start and end of each word in seconds, in the order of the words.
      turns: of all speakers, in any order.
      activity: the probabilities that the turns were made from, if there are any.
      before: speaker of the word before the first one.

    Returns:
      The name of each word's speaker; None where nobody speaks near the word.
    """
    speakers = list(dict.fromkeys(turn.speaker for turn in sorted(turns)))
    if not speakers or not len(times):
        return [None] * len(times)
    times = np.array(times, np.float64)
    times[:, 1] = np.maximum(times[:, 1], times[:, 0] + SHORTEST_SECONDS)
    stretches = [_stretches(turns, speaker) for speaker in speakers]
    inside = np.stack([_seconds_inside(times, part) for part in stretches], 1)
    distance = np.stack([_distance(times, part) for part in stretches], 1)
    nearest = distance.min(1)
    by_turn = np.where(inside.max(1, keepdims=True) > EQUAL, inside, -distance)
    scores = by_turn if activity is None else _mean_activity(times, activity, speakers, otherwise=by_turn)
    found: list[str | None] = []
    for row, far in zip(scores, nearest > FURTHEST_SECONDS, strict=True):
        equal = [speakers[i] for i in np.flatnonzero(row >= row.max() - EQUAL)]
        found.append(None if far else before if before in equal else equal[0])
        before = found[-1] or before
    return found


def _mean_activity(
    times: Float[np.ndarray, "N 2"],
    activity: Activity,
    speakers: Sequence[str],
    *,
    otherwise: Float[np.ndarray, "N S"],
) -> Float[np.ndarray, "N S"]:
    """The mean probability of each of the speakers over each word; `otherwise` where it is not known, or 0 for all."""
    columns = [activity.speakers.index(name) if name in activity.speakers else -1 for name in speakers]
    padded = np.pad(activity.probabilities.astype(np.float64), ((0, 0), (0, 1)))  # a speaker without a column
    total = np.concatenate([np.zeros((1, len(speakers))), np.cumsum(padded[:, columns], 0)])
    scores = otherwise.copy()
    for number, (start, end) in enumerate((times - activity.start) / activity.frame_seconds):
        # The tolerance keeps a time that is a whole number of frames, but for rounding, in its frame.
        first = max(math.floor(start + EQUAL) - EARLIER_FRAMES, 0)
        last = min(max(math.ceil(end - EQUAL), first + 1), len(total) - 1)
        first = min(first, last - 1)
        mean = (total[last] - total[first]) / (last - first) if 0 <= first < last and end > 0 else np.zeros(0)
        if mean.max(initial=0.0) > EQUAL:
            scores[number] = mean
    return scores


def _stretches(turns: Sequence[Turn], speaker: str) -> Float[np.ndarray, "K 2"]:
    """The time of a speaker as stretches in order that do not touch one another."""
    joined: list[list[float]] = []
    for start, end, name in sorted(turns):
        if name == speaker and joined and start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        elif name == speaker:
            joined.append([start, max(start, end)])
    return np.array(joined, np.float64)


def _seconds_inside(times: Float[np.ndarray, "N 2"], stretches: Float[np.ndarray, "K 2"]) -> Float[np.ndarray, " N"]:
    """The seconds of each word that are in the stretches."""
    lengths = np.diff(stretches, axis=1)[:, 0]
    ends = np.cumsum(lengths)
    spoken = np.interp(times, stretches.ravel(), np.stack([ends - lengths, ends], 1).ravel())
    return spoken[:, 1] - spoken[:, 0]


def _distance(times: Float[np.ndarray, "N 2"], stretches: Float[np.ndarray, "K 2"]) -> Float[np.ndarray, " N"]:
    """The seconds from each word to the nearest stretch; 0 if they meet."""
    following = np.searchsorted(stretches[:, 0], times[:, 0], side="right")
    ends, starts = np.append(-np.inf, stretches[:, 1]), np.append(stretches[:, 0], np.inf)
    return np.maximum(np.minimum(times[:, 0] - ends[following], starts[following] - times[:, 1]), 0.0)
