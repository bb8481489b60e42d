"""Finds who else speaks where two are known to, among speakers that were found by clustering.

    likeness(i, k) = cos(embedding of window i, mean embedding of speaker k)
    second speaker of a stretch = the one with the highest mean likeness besides the one who has it already

The confidence of a turn is (1 + likeness of its windows to its speaker - that to the nearest other one) / 2.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.diarization.affinity import Scale, joined_embeddings
from jaxspeech.diarization.turns import Turn

PREFIX = "speaker_"


def likeness(scales: Sequence[Scale], labels: Int[np.ndarray, " N"]) -> Float[np.ndarray, "N K"]:
    """Computes the cosine between each window of the last scale and each speaker."""
    if not len(labels):
        return np.zeros((0, 0), np.float32)
    vectors = joined_embeddings(scales)
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-10)
    means = np.stack([vectors[labels == number].sum(0) for number in range(int(labels.max()) + 1)])
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-10)
    return vectors @ means.T


def overlaps_of(speech: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "M 2"]:
    """Returns the stretches that two or more of the given ones share, in order."""
    edges = np.concatenate([speech[:, 0], speech[:, 1]])
    steps = np.repeat([1, -1], len(speech))
    order = np.lexsort((steps, edges))  # what ends at a time ends before what begins then
    edges, several = edges[order], np.cumsum(steps[order]) >= 2
    first = np.flatnonzero(several & ~np.append(False, several[:-1]))
    last = np.flatnonzero(~several & np.append(False, several[:-1]))
    found = np.stack([edges[first], edges[last]], 1)
    return found[found[:, 1] > found[:, 0]]


def second_turns(
    turns: Sequence[Turn],
    overlaps: Float[np.ndarray, "M 2"],
    times: Float[np.ndarray, "N 2"],
    alike: Float[np.ndarray, "N K"],
) -> list[Turn]:
    """Returns the turns of the second speakers.

    Args:
      turns: of the first ones, without overlaps, in order.
      overlaps: the stretches in which two or more speak.
      times: of the windows, in order.
      alike: of each window to each speaker.
    """
    if not len(overlaps) or not len(times) or alike.shape[1] < 2:
        return []
    found = []
    for start, end in overlaps.tolist():
        for first, last, speaker in turns:
            begin, stop = max(first, start), min(last, end)
            if begin < stop:
                scores = _mean_likeness(begin, stop, times, alike)
                scores[_number(speaker)] = -np.inf
                found.append(Turn(begin, stop, f"{PREFIX}{int(scores.argmax())}"))
    return found


def with_turns(
    turns: Sequence[Turn], more: Sequence[Turn], times: Float[np.ndarray, "N 2"], alike: Float[np.ndarray, "N K"]
) -> tuple[list[Turn], list[float]]:
    """Adds turns, joins those of one speaker that touch or overlap, and returns all with their confidences."""
    joined: list[Turn] = list(turns)
    if more:
        joined, last = [], dict[str, int]()
        for turn in sorted([*turns, *more]):
            at = last.get(turn.speaker)
            if at is not None and joined[at].end >= turn.start:
                joined[at] = joined[at]._replace(end=max(joined[at].end, turn.end))
            else:
                last[turn.speaker] = len(joined)
                joined.append(turn)
    return joined, [_confidence(turn, times, alike) for turn in joined]


def _confidence(turn: Turn, times: Float[np.ndarray, "N 2"], alike: Float[np.ndarray, "N K"]) -> float:
    scores = _mean_likeness(turn.start, turn.end, times, alike)
    own = scores[_number(turn.speaker)]
    others = np.delete(scores, _number(turn.speaker))
    return float(np.clip((1 + own - others.max(initial=0.0 if not len(others) else -1.0)) / 2, 0, 1))


def _mean_likeness(
    start: float, end: float, times: Float[np.ndarray, "N 2"], alike: Float[np.ndarray, "N K"]
) -> Float[np.ndarray, " K"]:
    """The mean likeness of the windows in a stretch, weighted by how much of each is in it."""
    # Windows are in order, so that those in the stretch lie beside each other.
    first = int(np.searchsorted(times[:, 1], start, side="right"))
    last = max(int(np.searchsorted(times[:, 0], end)), first + 1)
    first = min(first, len(times) - 1)
    some = times[first:last]
    weights = np.maximum(np.minimum(some[:, 1], end) - np.maximum(some[:, 0], start), 1e-6)
    return weights @ alike[first:last] / weights.sum()


def _number(speaker: str) -> int:
    return int(speaker.removeprefix(PREFIX))
