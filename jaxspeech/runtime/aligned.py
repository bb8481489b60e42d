"""Allocates host arrays that a CPU device can use as they are: `jax.device_put` copies what is not aligned."""

import math
from typing import Any

import numpy as np

# Bytes; XLA's programs for a CPU load whole cache lines.
ALIGNMENT = 64


def aligned_empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An uninitialised array whose first byte is at a multiple of `ALIGNMENT`."""
    dtype = np.dtype(dtype)
    num_bytes = math.prod(shape) * dtype.itemsize
    memory = np.empty(num_bytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + num_bytes].view(dtype).reshape(shape)
