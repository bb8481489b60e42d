"""A pretrained encoder: speech to frames."""

from collections.abc import Callable
from typing import NamedTuple

from jaxspeech.tasks.kinds.arrays import Frames, Lengths, Samples
from jaxspeech.types import Variables


class Encoding(NamedTuple):
    """Speech to the frames of an encoder that was trained without labels.

    Attributes:
      sample_rate: of the waveforms, in Hz.
      frame_seconds: seconds of audio per encoder frame.
      width: D, of the frames.
      encode: waveforms -> (encoder frames [B T D], num_frames [B]).
      shortest_seconds: the least that a recording must have.
    """

    sample_rate: int
    frame_seconds: float
    width: int
    encode: Callable[[Variables, Samples, Lengths], tuple[Frames, Lengths]]
    shortest_seconds: float = 0.0
