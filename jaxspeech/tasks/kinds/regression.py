"""A model that estimates a number from a recording."""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Array, Float

from jaxspeech.tasks.kinds.arrays import Lengths, Samples
from jaxspeech.types import Variables


class Regression(NamedTuple):
    """Speech to one number.

    Attributes:
      sample_rate: of the waveforms, in Hz.
      number: waveforms -> numbers [B].
      shortest_seconds: a shorter recording has no result.
    """

    sample_rate: int
    number: Callable[[Variables, Samples, Lengths], Float[Array, " B"]]
    shortest_seconds: float = 0.0
