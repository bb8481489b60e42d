"""Random numbers addressed by what they are for, so that no order of work, thread or restart changes them.

Philox maps (key, counter) to random bits without any state. The key is (seed, epoch); the counter's upper half
says which example, and which of its copies in that epoch, so each has 2^128 numbers of its own.
"""

import numpy as np

# Streams that belong to a whole epoch take the place of example numbers that no dataset reaches.
SHUFFLE, STRETCH, PHASE, WINDOWS = 2**64 - 1, 2**64 - 2, 2**64 - 3, 2**64 - 4


def generator(seed: int, epoch: int, example: int, *, copy: int = 0) -> np.random.Generator:
    """The random numbers of one example (or one of the streams above) in one epoch."""
    return np.random.Generator(np.random.Philox(key=(epoch << 64) | seed, counter=(example << 192) | (copy << 128)))
