"""Defines turns of speakers, of which all diarization consists.

Times are seconds from the start of the recording. Turns of different speakers may overlap.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Turn(NamedTuple):
    """A stretch of time in which a speaker speaks; start and end in seconds."""

    start: float
    end: float
    speaker: str


class Utterance(NamedTuple):
    """A turn with the words that were said in it, separated by spaces."""

    start: float
    end: float
    speaker: str
    words: str


# Name of a recording -> its turns.
Recordings = Mapping[str, Sequence[Turn]]


def speakers_of(turns: Iterable[Turn | Utterance]) -> list[str]:
    """Lists the speakers, sorted by name."""
    return sorted({turn.speaker for turn in turns})


def one_word(name: str) -> str:
    """Replaces the spaces of a name, for files whose fields are separated by spaces; an empty one becomes "_"."""
    return "_".join(name.split()) or "_"


def turns_of_labels(
    times: Float[np.ndarray, "N 2"], labels: Int[np.ndarray, " N"], *, prefix: str = "speaker_"
) -> list[Turn]:
    """Joins labelled segments to turns.

    Neighbours that overlap are divided at the middle of their overlap. Those of one speaker that touch are one turn.

    Args:
      times: start and end of each segment in seconds, in the order of the starts.
      labels: number of the speaker of each.
      prefix: of the speakers' names.
    """
    if not len(times):
        return []
    times = np.array(times, np.float64)
    middles = (times[1:, 0] + times[:-1, 1]) / 2
    overlap = times[:-1, 1] > times[1:, 0]
    times[1:, 0] = np.where(overlap, middles, times[1:, 0])
    times[:-1, 1] = np.where(overlap, middles, times[:-1, 1])
    joined = (times[:-1, 1] == times[1:, 0]) & (labels[:-1] == labels[1:])
    starts, ends = times[np.append(True, ~joined), 0], times[np.append(~joined, True), 1]
    numbers = labels[np.append(True, ~joined)]
    return [
        Turn(start, end, f"{prefix}{number}")
        for start, end, number in zip(starts.tolist(), ends.tolist(), numbers.tolist(), strict=True)
    ]
