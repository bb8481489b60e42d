"""Changes the sample rate with a band-limited filter (the SoX resampler, high quality)."""

import math

import numpy as np
import soxr
from jaxtyping import Float

from jaxspeech.errors import AudioError


def check_rate(sample_rate: int | float) -> int | float:
    """Return the rate if it is valid.

    Raises:
      AudioError: the rate is not a positive number.
    """
    if not (math.isfinite(sample_rate) and sample_rate > 0):
        raise AudioError(f"sample_rate is {sample_rate}; it must be a positive number of samples per second")
    return sample_rate


def resample(
    samples: Float[np.ndarray, "S *channels"], from_rate: int | float, to_rate: int | float
) -> Float[np.ndarray, "R *channels"]:
    """Resample to a different rate: R = S * to_rate / from_rate, give or take one sample.

    Any ratio is possible: `resample(x, 1.1, 1.0)` is x spoken 1.1 times as fast (and as high).
    """
    if from_rate == to_rate:
        return samples
    return soxr.resample(samples, from_rate, to_rate, quality="HQ")
