"""How an example is varied this time: what everything that is made of it has to follow."""

from typing import NamedTuple, TypeVar

import numpy as np

from jaxspeech.data.rng import generator

# A number, or an array of numbers.
Seconds = TypeVar("Seconds", float, np.ndarray)


class Variant(NamedTuple):
    """One showing of an example; by default as it is, as for evaluation.

    Attributes:
      speed: its audio is played so many times as fast.
      before, after: seconds of silence around it; negative: seconds that it loses.
      epoch: counted from 0.
      index: the example's number among those that are used, as in the batch.
      copy: how often this epoch has shown it before.
    """

    speed: float = 1.0
    before: float = 0.0
    after: float = 0.0
    epoch: int = 0
    index: int = 0
    copy: int = 0

    def at(self, seconds: Seconds) -> Seconds:
        """Where a moment of the original recording is in the varied one: outside of it where it is cut away."""
        return self.before + seconds / self.speed

    def generator(self, seed: int) -> np.random.Generator:
        """The example's own random numbers, the same for each column that draws with this seed."""
        return generator(seed, self.epoch, self.index, copy=self.copy)


# An example as it is.
STILL = Variant()
