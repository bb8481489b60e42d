"""Noise: white at a level, or recorded at a signal-to-noise ratio."""

import math

import numpy as np
from jaxtyping import Float

# Below this an utterance counts as digital silence, and a ratio to it means nothing.
SILENCE = 1e-5


def rms(samples: Float[np.ndarray, " S"]) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def decibels(amplitude: float) -> float:
    """Of an RMS amplitude, to full scale; digital silence counts as its bound."""
    return 20 * math.log10(max(amplitude, SILENCE))


def add_white_noise(
    samples: Float[np.ndarray, " S"], *, level_db: float, rng: np.random.Generator
) -> Float[np.ndarray, " S"]:
    """Gaussian noise with an RMS of `level_db` below full scale (-90 is barely there, -46 is a bad microphone)."""
    return samples + np.float32(10 ** (level_db / 20)) * rng.standard_normal(len(samples), dtype=np.float32)


def add_noise(
    samples: Float[np.ndarray, " S"],
    noise: Float[np.ndarray, " M"],
    *,
    snr_db: float,
    speech_rms: float,
    rng: np.random.Generator,
) -> Float[np.ndarray, " S"]:
    """A random stretch of `noise` (repeated where it is shorter), so that 20 log10(speech_rms / noise RMS) = snr_db."""
    start = int(rng.integers(max(1, len(noise) - len(samples) + 1)))
    stretch = np.resize(noise[start:], len(samples))
    noise_rms = rms(stretch)
    if noise_rms < SILENCE or speech_rms < SILENCE:
        return samples
    return samples + stretch * np.float32(speech_rms / noise_rms * 10 ** (-snr_db / 20))
