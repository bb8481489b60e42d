"""Counts the frames of recordings on the host, from a table that the model's own count fills.

frames(n) = the number of steps at or below n samples          n -> frames is a staircase
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Int

# numbers of samples [N] -> numbers of frames [N], which never fall; a call of it may cost a compilation
Count = Callable[[Int[np.ndarray, " N"]], Int[np.ndarray, " N"]]
# Steps are looked for in the gaps between multiples of this where the number of frames changes.
GRID = 256


class FrameCounts:
    """Numbers of frames of recordings of any length; the table grows when a longer one comes."""

    def __init__(self, count: Count):
        self._count = count
        self._longest = -1
        self._lengths = self._frames = np.zeros(0, np.int64)

    def __call__(self, num_samples: Int[np.ndarray, " N"]) -> Int[np.ndarray, " N"]:
        """Return the number of frames of each recording."""
        longest = int(num_samples.max(initial=0))
        if longest > self._longest:
            self._tabulate(2 * longest)
        return self._frames[np.searchsorted(self._lengths, num_samples, side="right") - 1]

    def _tabulate(self, longest: int) -> None:
        grid = np.arange(0, longest + GRID, GRID)
        found = np.asarray(self._count(grid))
        gaps = np.flatnonzero(found[1:] != found[:-1])
        lengths = (grid[gaps][:, None] + np.arange(1, GRID + 1)).reshape(-1)
        inner = np.asarray(self._count(lengths)) if len(lengths) else found[:0]
        lengths, inner = np.append(0, lengths), np.append(found[0], inner)
        first = np.append(True, inner[1:] != inner[:-1])
        self._lengths, self._frames, self._longest = lengths[first], inner[first].astype(np.int64), int(grid[-1])
