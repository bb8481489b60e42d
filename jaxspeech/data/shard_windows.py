"""Tars are gone through a few at a time: in random order, MIXED of them together, the next ones fetched meanwhile.

    window(i) = position of example i's tar in the epoch's order of tars // MIXED

Batches of a lower window come first, so a tar is read once an epoch and from end to end, which is what object stores
and hard disks do well; within a window, examples and batches are as random as anywhere. An example with a file of its
own belongs to a random window.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from jaxspeech.data.rng import WINDOWS, generator

# Tars that are mixed at a time: their examples are shuffled together.
MIXED = 8


class Windows(NamedTuple):
    """The windows of an epoch.

    Attributes:
      of: the window of each example.
      shards: the tars in the order in which they are read.
    """

    of: Int[np.ndarray, " N"]
    shards: tuple[int, ...]

    def after(self, index: Int[np.ndarray, " B"]) -> tuple[int, ...]:
        """The tars of the window that follows those of a batch's examples."""
        window = int(self.of[index[index >= 0]].max(initial=0))
        return self.shards[(window + 1) * MIXED : (window + 2) * MIXED]


def draw_windows(shards: Int[np.ndarray, " N"], *, seed: int, epoch: int) -> Windows:
    """Random windows, decided by the seed and the epoch alone; `shards` numbers each example's tar, or is -1."""
    rng = generator(seed, epoch, WINDOWS)
    order = rng.permutation(int(shards.max()) + 1)
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order)) // MIXED
    of = place[shards]
    alone = np.flatnonzero(shards < 0)
    of[alone] = rng.integers(place.max() + 1, size=len(alone))
    return Windows(of, tuple(order.tolist()))
