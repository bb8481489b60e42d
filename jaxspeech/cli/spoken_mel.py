"""Computes the log-mel frames by which spoken texts are compared, on the host: the same for every voice.

m[t] = log(max(|X_t| filters, 1e-5))

with 80 bands up to 8 kHz, windows of 46 ms and a hop of 12 ms, at 22050 Hz, so that the distances of voices of all
sample rates are comparable.
"""

from functools import cache

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.resample import resample
from jaxspeech.features.filterbank import mel_filterbank

RATE, FFT, HOP, BANDS, TOP_HZ, FLOOR = 22050, 1024, 256, 80, 8000, 1e-5


def mel_frames(samples: Float[np.ndarray, " S"], sample_rate: int) -> Float[np.ndarray, "T F"]:
    """Computes the frames of a recording of any rate, centred on every HOP-th sample of 22050 a second."""
    if not len(samples):
        return np.zeros((0, BANDS), np.float32)
    x = np.pad(resample(np.asarray(samples, np.float32), sample_rate, RATE), FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(x, FFT)[::HOP]
    magnitudes = np.abs(np.fft.rfft(frames * np.hanning(FFT).astype(np.float32)))
    return np.log(np.maximum(magnitudes @ _filters(), FLOOR)).astype(np.float32)


@cache
def _filters() -> Float[np.ndarray, "bins F"]:
    return mel_filterbank(BANDS, fft_size=FFT, sample_rate=RATE, low_hz=0, high_hz=TOP_HZ)
