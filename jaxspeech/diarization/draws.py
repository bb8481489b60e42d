"""Draws random numbers in NeMo's order: those of torch's Mersenne Twister on a CPU.

NeMo counts the speakers of short recordings with random vectors, and starts k-means at random segments, both from fixed
seeds. With the same numbers the counts and clusters are the same.
"""

import numpy as np
from jaxtyping import Float, UInt32

# Normal numbers are made in groups of 16, from as many uniform ones.
GROUP = 16


class Draws:
    """A stream of random numbers that only depends on its seed."""

    def __init__(self, seed: int):
        self._twister = np.random.RandomState(seed)

    def below(self, most: int) -> int:
        """Draws a whole number from 0 to `most` - 1."""
        return int(self._bits(1)[0]) % most

    def uniform(self, count: int) -> Float[np.ndarray, " N"]:
        """Draws numbers in [0, 1), in single precision."""
        return (self._bits(count) & 0xFFFFFF).astype(np.float32) / np.float32(1 << 24)

    def normal(self, count: int) -> Float[np.ndarray, " N"]:
        """Draws numbers of mean 0 and variance 1 by Box and Muller's method, 16 or more at a time."""
        whole = max(count, GROUP)
        uniform = self.uniform(whole)
        found = np.empty(whole, np.float32)
        for first in range(0, whole - GROUP + 1, GROUP):
            found[first : first + GROUP] = _box_muller(uniform[first : first + GROUP])
        if whole % GROUP:  # the last group is drawn once more, and overlaps the one before
            found[-GROUP:] = _box_muller(self.uniform(GROUP))
        return found[:count]

    def _bits(self, count: int) -> UInt32[np.ndarray, " N"]:
        return self._twister.randint(0, 1 << 32, count, dtype=np.uint32)


def _box_muller(uniform: Float[np.ndarray, " 16"]) -> Float[np.ndarray, " 16"]:
    radius = np.sqrt(-2 * np.log(1 - uniform[:8]))
    angle = np.float32(2 * np.pi) * uniform[8:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
