"""Computes triangular filters, equally spaced on a mel scale, in float64 on the host.

    slaney  mel(f) = 3f / 200                          below 1 kHz
                     15 + 27 log(f / 1000) / log(6.4)  above
    htk     mel(f) = 2595 log10(1 + f / 700)

Filter i rises from the frequency f_i to f_{i+1} and falls to f_{i+2}; its peak is 1, or with the "slaney" norm
2 / (f_{i+2} - f_i), which gives every filter the same area.

Sources: Slaney, "Auditory Toolbox" (1998); Young et al., "The HTK Book" (2006).
"""

import numpy as np
from jaxtyping import Float

KNEE_HZ = 1000.0  # slaney: linear below, logarithmic above
KNEE_MEL = 15.0
MELS_PER_NEPER = 27 / np.log(6.4)


def hz_to_mel(hz: int | float, *, scale: str) -> float:
    """Convert a frequency in Hz to the "slaney" or "htk" mel scale."""
    if scale == "htk":
        return 2595 * np.log10(1 + hz / 700)
    if hz < KNEE_HZ:
        return hz * KNEE_MEL / KNEE_HZ
    return KNEE_MEL + MELS_PER_NEPER * np.log(hz / KNEE_HZ)


def mel_to_hz(mel: Float[np.ndarray, " F"], *, scale: str) -> Float[np.ndarray, " F"]:
    """Invert `hz_to_mel`."""
    if scale == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    above = KNEE_HZ * np.exp((mel - KNEE_MEL) / MELS_PER_NEPER)
    return np.where(mel < KNEE_MEL, mel * KNEE_HZ / KNEE_MEL, above)


def mel_filterbank(
    num_mels: int,
    *,
    fft_size: int,
    sample_rate: int,
    low_hz: int | float,
    high_hz: int | float,
    scale: str = "slaney",
    norm: str = "slaney",
) -> Float[np.ndarray, "bins F"]:
    """Compute the weights from the fft_size // 2 + 1 bins of a spectrum to the mel bands, in float64."""
    bins = np.arange(fft_size // 2 + 1) * sample_rate / fft_size
    mels = np.linspace(hz_to_mel(low_hz, scale=scale), hz_to_mel(high_hz, scale=scale), num_mels + 2)
    low, peak, high = (mel_to_hz(mels, scale=scale)[i : i + num_mels] for i in range(3))
    rising = (bins[:, None] - low) / (peak - low)
    falling = (high - bins[:, None]) / (high - peak)
    triangles = np.maximum(0, np.minimum(rising, falling))
    return triangles * (2 / (high - low)) if norm == "slaney" else triangles
