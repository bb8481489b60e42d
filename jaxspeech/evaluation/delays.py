"""Finds by how much an enhanced signal is later than its target: where their cross-correlation is greatest."""

import numpy as np
from jaxtyping import Float
from scipy.fft import next_fast_len

# The correlation must be so great, and so much greater than without a delay.
LEAST, CLEARLY = 0.3, 1.5
MOST_SECONDS = 0.5


def delay(estimate: Float[np.ndarray, " S"], target: Float[np.ndarray, " S"], sample_rate: int) -> int:
    """Returns the delay in samples, negative if the estimate is earlier; 0 if it is not certain.

    Ratios of signal to distortion count a delay as distortion, which is rarely meant.
    """
    powers = [float(np.sum(np.square(x, dtype=np.float64))) for x in (estimate, target)]
    size = next_fast_len(2 * len(target), real=True)
    e, t = (np.fft.rfft(np.asarray(x, np.float64), size) for x in (estimate, target))
    product = np.fft.irfft(e * t.conj(), size)
    most = min(round(MOST_SECONDS * sample_rate), len(target) - 1)
    near = np.concatenate([product[-most:], product[: most + 1]]) if most > 0 else product[:1]
    place = int(np.argmax(np.abs(near)))
    certain = np.abs(near[place]) > max(CLEARLY * np.abs(near[most]), LEAST * np.sqrt(powers[0] * powers[1]))
    return place - most if certain else 0
