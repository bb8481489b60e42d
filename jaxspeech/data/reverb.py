"""Simulates a room by convolution with its impulse response.

y[n] = sum_m h[m] x[n + peak - m]          the direct sound is not delayed
y   *= rms(x) / rms(y)                     the level does not change
"""

import numpy as np
from jaxtyping import Float

from jaxspeech.data.noise import SILENCE, rms


def reverberate(samples: Float[np.ndarray, " S"], response: Float[np.ndarray, " M"]) -> Float[np.ndarray, " S"]:
    """Apply the impulse response `response`; length, level and timing of the samples do not change."""
    peak = int(np.abs(response).argmax())
    size = 1 << (len(samples) + len(response) - 2).bit_length()  # no wrap-around
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)[peak : peak + len(samples)]
    level = rms(wet)
    if level < SILENCE:
        return samples
    return (wet * (rms(samples) / level)).astype(np.float32)
