"""A classifier of recordings, or of their frames."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxspeech.tasks.kinds.arrays import Lengths, Samples
from jaxspeech.types import Variables


class Classification(NamedTuple):
    """Speech to classes: of a whole recording, or of each of its frames.

    Attributes:
      sample_rate: of the waveforms, in Hz.
      frame_seconds: seconds of audio per vector of probabilities; None if a recording has one vector.
      probs: waveforms -> probabilities [B C], or ([B T C], num_frames [B]) if each frame is classified.
      shortest_seconds: a shorter recording has no result.
    """

    sample_rate: int
    frame_seconds: float | None
    probs: Callable[[Variables, Samples, Lengths], Any]
    shortest_seconds: float = 0.0
