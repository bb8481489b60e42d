"""Adds noise: white noise at a level, or recorded noise at a signal-to-noise ratio."""

import math

import numpy as np
from jaxtyping import Float

# RMS below which a signal counts as digital silence, so that a ratio to it is meaningless.
SILENCE = 1e-5


def rms(samples: Float[np.ndarray, " S"]) -> float:
    """The root mean square of the samples."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def decibels(amplitude: float) -> float:
    """Convert an RMS amplitude to dB relative to full scale; amplitudes below SILENCE count as SILENCE."""
    return 20 * math.log10(max(amplitude, SILENCE))


def add_white_noise(
    samples: Float[np.ndarray, " S"], *, level_db: float, rng: np.random.Generator
) -> Float[np.ndarray, " S"]:
    """Add Gaussian noise whose RMS is `level_db` relative to full scale (-90: barely audible, -46: bad microphone)."""
    return samples + np.float32(10 ** (level_db / 20)) * rng.standard_normal(len(samples), dtype=np.float32)


def add_noise(
    samples: Float[np.ndarray, " S"],
    noise: Float[np.ndarray, " M"],
    *,
    snr_db: float,
    speech_rms: float,
    rng: np.random.Generator,
) -> Float[np.ndarray, " S"]:
    """Add a random stretch of `noise` (repeated if too short), so that 20 log10(speech_rms / noise RMS) = snr_db."""
    start = int(rng.integers(max(1, len(noise) - len(samples) + 1)))
    stretch = np.resize(noise[start:], len(samples))
    noise_rms = rms(stretch)
    if noise_rms < SILENCE or speech_rms < SILENCE:
        return samples
    return samples + stretch * np.float32(speech_rms / noise_rms * 10 ** (-snr_db / 20))
