"""Simulates a signal that was too loud for its microphone or converter: everything above a level is cut off or bent.

    c = max|x| 10^(-gain_db / 20)
    hard: y = min(max(x, -c), c)        soft: y = c tanh(x / c)

The level stays that of the signal, as if it had been turned down afterwards.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Clipping: by how many decibels the peak exceeds what the microphone can take, and how often it bends softly."""

    gain_db: tuple[int | float, int | float] = (0.0, 24.0)
    soft: int | float = 0.5
    probability: int | float = 0.5


def clip(samples: Float[np.ndarray, " S"], *, gain_db: float, soft: bool) -> Float[np.ndarray, " S"]:
    """Clip a signal whose peak is `gain_db` above the level at which it is cut off."""
    peak = float(np.abs(samples).max(initial=0.0))
    if not peak:
        return samples
    most = np.float32(peak * 10 ** (-gain_db / 20))
    return most * np.tanh(samples / most) if soft else np.clip(samples, -most, most)
