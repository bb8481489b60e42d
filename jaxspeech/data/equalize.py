"""Simulates a different microphone, line or speaker: a smooth equaliser and a low-pass filter."""

import numpy as np
from jaxtyping import Float

# The lowest point of an equaliser's curve; speech has little below.
LOWEST_HZ = 60.0


def equalize(
    samples: Float[np.ndarray, " S"],
    gains_db: Float[np.ndarray, " P"],
    *,
    sample_rate: int,
    low_pass_hz: float | None = None,
) -> Float[np.ndarray, " S"]:
    """Apply a zero-phase filter.

    Args:
      samples: the sound; the result has the same length.
      gains_db: the filter's gain at P frequencies, evenly spaced in log-frequency from 60 Hz to half the sample rate,
        and linear in between.
      sample_rate: in Hz.
      low_pass_hz: cutoff of the low-pass filter, which falls by 24 dB per octave; None: no low-pass.
    """
    size = 1 << (len(samples) + sample_rate // 10).bit_length()  # at least 0.1 s of padding against wrap-around
    hz = np.fft.rfftfreq(size, 1 / sample_rate)
    points = np.geomspace(LOWEST_HZ, sample_rate / 2, len(gains_db))
    gain = 10 ** (np.interp(np.log(np.maximum(hz, LOWEST_HZ)), np.log(points), gains_db) / 20)
    if low_pass_hz is not None:
        gain /= np.sqrt(1 + (hz / low_pass_hz) ** 8)
    return np.fft.irfft(np.fft.rfft(samples, size) * gain.astype(np.float32), size)[: len(samples)]
