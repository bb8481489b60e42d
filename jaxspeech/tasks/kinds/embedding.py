"""A model that identifies speakers by vectors."""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Array, Float

from jaxspeech.tasks.kinds.arrays import Lengths, Samples
from jaxspeech.types import Variables


class Embedding(NamedTuple):
    """Speech to a vector that identifies the speaker.

    Attributes:
      sample_rate: of the waveforms, in Hz.
      width: E, the width of the vector.
      embed: waveforms -> vectors [B E], not normalised.
    """

    sample_rate: int
    width: int
    embed: Callable[[Variables, Samples, Lengths], Float[Array, "B E"]]
