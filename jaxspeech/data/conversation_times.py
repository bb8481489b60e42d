"""Places the turns of a conversation in time, so that it has about the overlap and the pauses that are asked.

    overlap = time in which several speak / time in which anybody speaks
    pauses  = time in which nobody speaks / time from the start to the end of the last turn

The next turn, of u seconds of speech in n seconds, starts x before the end of the last one, or g after it, where

    x = (overlap (S + u) - O) / (1 + overlap)        g = (pauses (T + n) - P - inner) / (1 - pauses)

times a random number, with the seconds so far of speech S, overlap O, pauses P, and of everything T; `inner` are the
pauses within the turn. What one turn lacks, the later ones have more, so that both shares come out right in the end.
No more than two speak at a time.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

# Resolution of the sums, in seconds.
STEP = 0.01
# Random factor of the overlap or the pause between two turns.
VARIATION = (0.5, 1.5)
# A turn begins this much after the last one at most, where no pause is due, in seconds.
BREATH = 0.1
# Most seconds before the first turn.
MOST_LEAD = 1.0
# Less overlap than this is none, in seconds.
LEAST_OVERLAP = 0.1

Spans = Float[np.ndarray, "N 2"]


class Timeline:
    """The turns of one conversation so far.

    Attributes:
      end: of the last turn, in seconds.
    """

    def __init__(self, *, overlap: float, pauses: float, rng: np.random.Generator):
        """Starts without turns.

        Args:
          overlap, pauses: the shares that are asked, see above.
          rng: the conversation's random numbers.
        """
        self.end = 0.0
        self._overlap, self._pauses, self._rng = overlap, pauses, rng
        self._voices: Int[np.ndarray, " T"] = np.zeros(0, np.int8)
        self._alone = 0.0  # from here on one speaker at most speaks
        self._last: int | None = None

    def place(self, speaker: int, spans: Spans, *, before: float = math.inf) -> float:
        """Adds a turn and returns its start in seconds.

        Args:
          speaker: the number of who speaks; nobody speaks twice at a time.
          spans: start and end of each stretch of speech, in seconds from the start of the turn, which is that of the
            first.
          before: the turn ends before it, if it would with no pause.
        """
        start = min(self.end + self._gap(speaker, spans), max(before - float(spans[-1, 1]), self.end))
        end = start + float(spans[-1, 1])
        self._add(spans + start)
        self._alone = max(self._alone, min(self.end, end))
        if end > self.end:
            self.end, self._last = end, speaker
        return start

    def lacking_pause(self) -> float:
        """Seconds of pause to add at the end for the share that is asked."""
        silent = self.end - STEP * np.count_nonzero(self._voices)
        return max((self._pauses * self.end - silent) / (1 - self._pauses), 0.0)

    def _gap(self, speaker: int, spans: Spans) -> float:
        """Seconds from the end of the last turn to the next one; negative where they overlap."""
        overlap, pause = self._due_overlap(spans), self._pause(spans)
        factor, choice = self._rng.uniform(*VARIATION), self._rng.random()
        room = self.end - self._alone
        possible = self._last is not None and speaker != self._last and min(overlap, room) >= LEAST_OVERLAP
        if possible and choice * (overlap + pause) < overlap:
            return -min(overlap * factor, room)
        if pause <= 0:
            return BREATH * choice
        return pause * factor if self._last is not None else min(pause * factor, MOST_LEAD)

    def _due_overlap(self, spans: Spans) -> float:
        speech, both = (STEP * np.count_nonzero(self._voices >= n) for n in (1, 2))
        return max((self._overlap * (speech + _seconds(spans)) - both) / (1 + self._overlap), 0.0)

    def _pause(self, spans: Spans) -> float:
        length = float(spans[-1, 1])
        silent = self.end - STEP * np.count_nonzero(self._voices)
        inner = length - _seconds(spans)
        return max((self._pauses * (self.end + length) - silent - inner) / (1 - self._pauses), 0.0)

    def _add(self, spans: Spans) -> None:
        steps = np.round(spans / STEP).astype(int)
        self._voices = np.pad(self._voices, (0, max(int(steps[-1, 1]) - len(self._voices), 0)))
        for first, last in steps.tolist():
            self._voices[first:last] += 1


def shares(turns: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Measures the overlap and the pauses of a conversation, from the start and end of each of its turns."""
    if not turns:
        return 0.0, 0.0
    steps = np.round(np.array(turns) / STEP).astype(int)
    voices = np.zeros(steps.max(), int)
    for first, last in steps.tolist():
        voices[first:last] += 1
    spoken = np.count_nonzero(voices)
    return float(np.count_nonzero(voices > 1) / max(spoken, 1)), float(1 - spoken / max(len(voices), 1))


def _seconds(spans: Spans) -> float:
    return float((spans[:, 1] - spans[:, 0]).sum())
