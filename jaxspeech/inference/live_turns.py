"""Finds the turns of speakers while their activity arrives; the turns that are over are those of the whole recording.

A turn is over when speech that begins later would be a new turn, that is after a silence of min_silence + pad_onset +
pad_offset. Of each speaker only the activity since the last turn that is over is kept.
"""

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.speech_segments import SegmentOptions
from jaxspeech.diarization.turns import Turn
from jaxspeech.errors import ConfigError

# (probabilities of one speaker [T], where the recording ends in seconds, None while it lasts) -> [N 2] of its turns
Spans = Callable[[Float[np.ndarray, " T"], float | None], Float[np.ndarray, "_ 2"]]


class LiveTurns:
    """The turns of one live recording.

    Attributes:
      closed: the turns that are over, in the order in which that was known.
    """

    def __init__(self, names: Sequence[str], spans: Spans, options: SegmentOptions, *, frame_seconds: float):
        """Begins a recording.

        Args:
          names: of the speakers.
          spans: finds the turns of one speaker, by `options`.
          options: how probabilities become turns.
          frame_seconds: from the start of a frame to that of the next.

        Raises:
          ConfigError: the thresholds depend on the whole recording.
        """
        if options.scale != "absolute":
            raise ConfigError(f"scale {options.scale!r} needs the whole recording; live turns take 'absolute'")
        self.closed: list[Turn] = []
        before, after = max(options.pad_onset, 0.0), max(options.pad_offset, 0.0)
        silence = float(options.min_silence + before + after)
        # Frames before speech that may belong to its turn, and one whose state is certain.
        kept = math.ceil(before / frame_seconds) + 1
        self._speakers = [_Speaker(name, spans, frame_seconds, silence=silence, kept=kept) for name in names]

    @property
    def turns(self) -> list[Turn]:
        """All turns so far in the order of their starts; those that are not over may become longer, or disappear."""
        return sorted([*self.closed, *(turn for speaker in self._speakers for turn in speaker.open)])

    def feed(self, probabilities: Float[np.ndarray, "T S"]) -> list[Turn]:
        """Takes the next frames; returns the turns that are over since the last call."""
        columns = zip(self._speakers, probabilities.T, strict=True)
        return self._close(turn for speaker, column in columns for turn in speaker.feed(column))

    def finish(self, duration: float) -> list[Turn]:
        """Ends the recording, of `duration` seconds; returns the turns that are over by that."""
        return self._close(turn for speaker in self._speakers for turn in speaker.finish(duration))

    def _close(self, turns: Iterable[Turn]) -> list[Turn]:
        found = sorted(turns)
        self.closed += found
        return found


class _Speaker:
    """One speaker.

    Attributes:
      open: the turns that are not over.
    """

    def __init__(self, name: str, spans: Spans, frame_seconds: float, *, silence: float, kept: int):
        self.open: list[Turn] = []
        self._name, self._spans, self._seconds, self._silence, self._kept = name, spans, frame_seconds, silence, kept
        self._activity = np.zeros(0, np.float32)  # from the frame `_first` on
        self._first = 0

    def feed(self, probabilities: Float[np.ndarray, " T"]) -> list[Turn]:
        """Takes the next frames; returns the turns that are over since the last call."""
        self._activity = np.concatenate([self._activity, probabilities])
        self.open = self._turns(None)
        now = (self._first + len(self._activity)) * self._seconds
        if any(now - turn.end < self._silence + self._seconds for turn in self.open):
            return []
        if len(self._activity) > self._kept:
            # Whether speech was on is certain where nothing was for longer than a turn needs to be over.
            self._first += len(self._activity) - self._kept
            self._activity = self._activity[-self._kept :]
        over, self.open = self.open, []
        return over

    def finish(self, duration: float) -> list[Turn]:
        """Returns the turns that the end of the recording closes."""
        over, self.open = self._turns(duration), []
        self._activity = self._activity[:0]
        return over

    def _turns(self, duration: float | None) -> list[Turn]:
        first = self._first * self._seconds
        end = None if duration is None else duration - first
        # Rounded, because the sum of two decimal fractions is not one.
        return [
            Turn(round(first + start, 6), round(first + end, 6), self._name)
            for start, end in self._spans(self._activity, end).tolist()
        ]
