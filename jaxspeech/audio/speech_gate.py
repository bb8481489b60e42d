"""Finds segments of speech while the probabilities of frames arrive.

The closed segments are those of `audio.speech_segments` for the whole recording: a segment is closed as soon as speech
that begins later would be a new segment, that is after a silence of min_silence + pad_onset + pad_offset.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.errors import ConfigError

Number = int | float


@dataclass(frozen=True, kw_only=True)
class GateOptions:
    """How probabilities gate live audio; all durations in seconds.

    Attributes:
      onset: speech begins where the probability is above it.
      offset: speech ends where the probability is below it.
      pad_onset, pad_offset: audio before and after the speech that belongs to it.
      min_silence: shorter gaps between padded segments do not end an utterance.
      look_ahead: frames after a frame that its probability waits for; None: all that affect it.
      step: frames that are classified together.
    """

    onset: Number = 0.5
    offset: Number = 0.5
    pad_onset: Number = 0.2
    pad_offset: Number = 0.2
    min_silence: Number = 0.4
    look_ahead: int | None = None
    step: int = 5

    def __post_init__(self) -> None:
        for name in ("pad_onset", "pad_offset", "min_silence"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"gate: {name} is {getattr(self, name)!r}; it must be a number of seconds, 0 or more")

    @property
    def closing_seconds(self) -> float:
        """The silence after which an utterance is over."""
        return float(self.min_silence + self.pad_onset + self.pad_offset)


class Heard(NamedTuple):
    """A segment so far: the audio from `start` to `end`, in seconds; `closed`: it is complete."""

    start: float
    end: float
    closed: bool


class SpeechGate:
    """The state of one live recording."""

    def __init__(self, options: GateOptions, *, frame_seconds: float):
        self._options, self._seconds = options, float(frame_seconds)
        self._frame = 0
        self._on = False
        self._open: Heard | None = None

    @property
    def earliest(self) -> float:
        """No segment that begins later will contain audio before this time."""
        return max(self._frame * self._seconds - float(self._options.pad_onset), 0.0)

    def feed(self, probabilities: Float[np.ndarray, " T"]) -> Iterator[Heard]:
        """Takes the probabilities of the next frames; yields the current segment after each frame that is part of it.

        After the last frame of a segment it is yielded again for each frame of silence, until it is closed.
        """
        options = self._options
        for p in probabilities.tolist():
            begin, end = self._frame * self._seconds, (self._frame + 1) * self._seconds
            self._frame += 1
            self._on = not p < options.offset if self._on else p > options.onset
            if self._on:
                start = self._open.start if self._open else max(begin - options.pad_onset, 0.0)
                self._open = Heard(start, end + options.pad_offset, False)
            elif self._open is not None:
                # Float32, as `speech_segments` compares times.
                gap = np.float32(end - options.pad_onset) - np.float32(self._open.end)
                self._open = self._open._replace(closed=bool(gap > 0 and gap >= np.float32(options.min_silence)))
            if self._open is not None:
                yield self._open
                self._open = None if self._open.closed else self._open

    def finish(self) -> Iterator[Heard]:
        """Yields the segment that the end of the recording closes, if there is one."""
        if self._open is not None:
            yield self._open._replace(closed=True)
        self._open = None
