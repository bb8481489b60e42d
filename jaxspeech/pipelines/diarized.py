"""The result of a diarizer for one recording."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.diarization.turns import Turn

# From the start of a frame of `Diarized.activity` to that of the next, in seconds, where no model says it.
FRAME_SECONDS = 0.08


class Diarized(NamedTuple):
    """Who spoke when in one recording.

    Attributes:
      source: the file's path, or "array 0", "array 1", ...
      duration: of the audio, in seconds.
      turns: (start, end, speaker) of each, times in seconds, in the order of the starts.
      error: with `on_error="skip"`, one line that says why there is no result.
      note: one line about how it was computed, if there is something to report.
      activity: the probability that each speaker is active in each frame.
      frame_seconds: from the start of a frame to that of the next.
      speakers: the name of each column of `activity`; one who is never active has no turn.
      confidences: of each turn, from 0 to 1: the mean probability of its speaker in it.
    """

    source: str
    duration: float
    turns: list[Turn]
    error: str | None = None
    note: str | None = None
    activity: Float[np.ndarray, "T S"] = np.zeros((0, 0), np.float32)
    frame_seconds: float = FRAME_SECONDS
    speakers: Sequence[str] = ()
    confidences: Sequence[float] = ()


def activity_of_turns(
    turns: Sequence[Turn], confidences: Sequence[float], speakers: Sequence[str], *, duration: float
) -> Float[np.ndarray, "T S"]:
    """Returns for each speaker the confidence of the turn that a frame is in the middle of, and 0 between turns."""
    found = np.zeros((int(np.ceil(duration / FRAME_SECONDS)), len(speakers)), np.float32)
    columns = {name: column for column, name in enumerate(speakers)}
    for (start, end, speaker), confidence in zip(turns, confidences, strict=True):
        first, last = (int(np.ceil(time / FRAME_SECONDS - 0.5)) for time in (start, end))
        found[max(first, 0) : last, columns[speaker]] = confidence
    return found
