"""Simulates a line or a microphone that carries a band of frequencies only, without delay.

|H(f)| = (1 + (low / f)^16)^(-1/2) (1 + (f / high)^16)^(-1/2)        48 dB per octave outside of the band
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, kw_only=True)
class Band:
    """A band from a frequency within `low_hz` to one within `high_hz`."""

    low_hz: tuple[int | float, int | float] = (50.0, 400.0)
    high_hz: tuple[int | float, int | float] = (3000.0, 7500.0)
    probability: int | float = 0.5


def band_limit(
    samples: Float[np.ndarray, " S"], *, low_hz: float, high_hz: float, sample_rate: int
) -> Float[np.ndarray, " S"]:
    """Apply the zero-phase filter; 0 as `low_hz` passes all that is low. The result has the same length."""
    size = 1 << (len(samples) + sample_rate // 10).bit_length()  # at least 0.1 s of padding against wrap-around
    hz = np.fft.rfftfreq(size, 1 / sample_rate)
    gain = (1 + (hz / high_hz) ** 16) ** -0.5
    if low_hz:
        gain *= (1 + (low_hz / np.maximum(hz, 1e-3)) ** 16) ** -0.5
    filtered = np.fft.irfft(np.fft.rfft(samples, size) * gain.astype(np.float32), size)
    return filtered[: len(samples)].astype(np.float32)
