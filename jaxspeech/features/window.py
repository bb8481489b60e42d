"""Computes window functions in float64 on the host.

    hann      0.5 - 0.5 cos(2 pi n / M)
    hamming   0.54 - 0.46 cos(2 pi n / M)
    blackman  0.42 - 0.5 cos(2 pi n / M) + 0.08 cos(4 pi n / M)
    bartlett  1 - |2n / M - 1|
    none      1

for n = 0 .. N-1, with M = N - 1 (symmetric) or M = N (periodic).
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

# Name -> function of n / M, which runs from 0 to 1.
WINDOWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "hann": lambda x: 0.5 - 0.5 * np.cos(2 * np.pi * x),
    "hamming": lambda x: 0.54 - 0.46 * np.cos(2 * np.pi * x),
    "blackman": lambda x: 0.42 - 0.5 * np.cos(2 * np.pi * x) + 0.08 * np.cos(4 * np.pi * x),
    "bartlett": lambda x: 1 - np.abs(2 * x - 1),
    "none": np.ones_like,
}


def centred_window(name: str, length: int, *, size: int, periodic: bool = False) -> Float[np.ndarray, " N"]:
    """Compute the window `name` of `length` samples in float64, with zeros on both sides up to N = `size`."""
    steps = length if periodic else length - 1
    window = WINDOWS[name](np.arange(length) / max(steps, 1))
    left = (size - length) // 2
    return np.pad(window, (left, size - length - left))
