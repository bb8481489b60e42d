"""Orders tars in windows: in random order, MIXED tars at a time, while the next ones are fetched.

    window(i) = position of example i's tar in the epoch's order of tars // MIXED

Batches of a lower window come first, so that a tar is read once per epoch and from end to end, as suits object stores
and hard disks; within a window, examples and batches are shuffled as usual. An example that is a separate file belongs
to a random window.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from jaxspeech.data.rng import WINDOWS, generator

# Number of tars in a window, whose examples are shuffled together.
MIXED = 8


class Windows(NamedTuple):
    """The windows of an epoch.

    Attributes:
      of: number of each example's window.
      shards: the tars in the order in which they are read.
    """

    of: Int[np.ndarray, " N"]
    shards: tuple[int, ...]

    def after(self, index: Int[np.ndarray, " B"]) -> tuple[int, ...]:
        """The tars of the window after those of a batch's examples."""
        window = int(self.of[index[index >= 0]].max(initial=0))
        return self.shards[(window + 1) * MIXED : (window + 2) * MIXED]


def draw_windows(shards: Int[np.ndarray, " N"], *, seed: int, epoch: int) -> Windows:
    """Draw the windows of an epoch, from the seed and the epoch alone.

    Args:
      shards: number of each example's tar; -1 for a separate file.
      seed, epoch: determine the windows.
    """
    rng = generator(seed, epoch, WINDOWS)
    order = rng.permutation(int(shards.max()) + 1)
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order)) // MIXED
    of = place[shards]
    alone = np.flatnonzero(shards < 0)
    of[alone] = rng.integers(place.max() + 1, size=len(alone))
    return Windows(of, tuple(order.tolist()))
