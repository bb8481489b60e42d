"""The mel-cepstral distance between two recordings of the same words, each spoken at its own pace.

c[t, k] = 2 / F sum_f mel[t, f] cos(pi k (f + 1/2) / F)           k = 1 .. 13, without the loudness k = 0
d[t, s] = 10 sqrt(2) / ln(10) |c[t] - c'[s]|                       in dB
distance = mean of d over the path of dynamic time warping

With these cepstra, mel[t, f] = sum_k c[t, k] cos(pi k (f + 1/2) / F) but for the loudness and what is left out: d is
the root mean square difference of the smoothed spectra over the bands, in dB, however many bands there are.

After R. Kubichek, "Mel-cepstral distance measure for objective speech quality assessment" (1993), with the cosine
transform of log-mel frames in place of the mel-generalised cepstrum: values of different mels are not comparable.
"""

import math

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.search.warping import warping_path

COEFFICIENTS = 13
# From natural logarithms of magnitudes to dB.
DECIBELS = 10 * math.sqrt(2) / math.log(10)
Path = tuple[Int[np.ndarray, " P"], Int[np.ndarray, " P"]]


def cepstra(mel: Float[np.ndarray, "T F"], count: int = COEFFICIENTS) -> Float[np.ndarray, "T K"]:
    """Computes the cepstra of log-mel frames, without the loudness."""
    bands = mel.shape[1]
    basis = np.cos(np.pi * np.outer(np.arange(bands) + 0.5, np.arange(1, count + 1)) / bands)
    return np.asarray(mel, np.float64) @ basis * (2 / bands)


def mel_distance(found: Float[np.ndarray, "T F"], wanted: Float[np.ndarray, "R F"]) -> tuple[float, Path]:
    """Computes the distance of two spectrograms, in dB, and the path that aligns their frames.

    Args:
      found, wanted: natural logarithms of mel magnitudes; at least one frame each.
    """
    a, b = cepstra(found), cepstra(wanted)
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    cost = DECIBELS * np.sqrt(np.maximum(squares, 0.0))
    path = warping_path(cost)
    return float(cost[path].mean()), path
