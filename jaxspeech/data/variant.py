"""The variant of an example that is drawn for one epoch; every column of the example must apply it."""

from typing import NamedTuple, TypeVar

import numpy as np

from jaxspeech.data.rng import generator

# A number, or an array of numbers.
Seconds = TypeVar("Seconds", float, np.ndarray)


class Variant(NamedTuple):
    """How an example is varied this time; by default not at all, as in evaluation.

    Attributes:
      speed: factor by which the audio is sped up.
      before, after: seconds of silence around it; negative: seconds that are cut off.
      epoch: number of the epoch, from 0.
      index: the example's number among those in use, as in the batch.
      copy: how many times this epoch has already shown the example.
    """

    speed: float = 1.0
    before: float = 0.0
    after: float = 0.0
    epoch: int = 0
    index: int = 0
    copy: int = 0

    def at(self, seconds: Seconds) -> Seconds:
        """Map a time in the original recording to the varied one; it may lie outside, if it is cut off."""
        return self.before + seconds / self.speed

    def generator(self, seed: int) -> np.random.Generator:
        """The example's own random numbers, the same for each column that draws with this seed."""
        return generator(seed, self.epoch, self.index, copy=self.copy)


# The unchanged example.
STILL = Variant()
