"""Random numbers addressed by their purpose, so that they do not depend on the order of work, threads or restarts.

Philox maps (key, counter) to random bits without any state. The key is (seed, epoch); the counter's upper half is the
number of the example and of its copy in that epoch, so each copy has its own 2^128 numbers.
"""

import numpy as np

# Streams of a whole epoch use example numbers that no dataset reaches.
SHUFFLE, STRETCH, PHASE, WINDOWS, JOIN = 2**64 - 1, 2**64 - 2, 2**64 - 3, 2**64 - 4, 2**64 - 5


def generator(seed: int, epoch: int, example: int, *, copy: int = 0) -> np.random.Generator:
    """Return the random numbers of one example (or of one of the streams above) in one epoch."""
    return np.random.Generator(np.random.Philox(key=(epoch << 64) | seed, counter=(example << 192) | (copy << 128)))
