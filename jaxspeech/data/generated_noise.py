"""Computes noises of endless variety: a model that has heard a few recordings alone learns them by heart.

    steady      Gaussian noise through a random smooth filter
    gusts       the same, with a random slow envelope
    knocks      short decaying bursts of it at random times
    hum         harmonics of a slowly changing pitch

A noise is one of them, or the sum of two.
"""

import numpy as np
from jaxtyping import Float

from jaxspeech.data.noise import SILENCE, rms

KINDS = ("steady", "gusts", "knocks", "hum")
# Points of the filters, from LOWEST_HZ to half the sample rate; their slope and deviation from it in dB per octave, dB.
POINTS, LOWEST_HZ, SLOPE, DEVIATION = 12, 40.0, (-9.0, 3.0), 8.0
BOTH = 0.4  # share of sums of two


def generated_noise(rng: np.random.Generator, size: int, *, sample_rate: int) -> Float[np.ndarray, " S"]:
    """Returns `size` samples of a noise with a root mean square of 1; it follows from the random numbers alone."""
    total = np.zeros(size, np.float32)
    for _ in range(1 + (rng.random() < BOTH)):
        kind = KINDS[int(rng.integers(len(KINDS)))]
        if kind == "hum":
            made = _hum(rng, size, sample_rate)
        else:
            made = coloured_noise(rng, size, sample_rate=sample_rate)
            made = made * {"steady": _steady, "gusts": _gusts, "knocks": _knocks}[kind](rng, size, sample_rate)
        total += made * np.float32(10 ** (rng.uniform(-10, 0) / 20) / max(rms(made), SILENCE))
    return total / np.float32(max(rms(total), SILENCE))


def coloured_noise(rng: np.random.Generator, size: int, *, sample_rate: int) -> Float[np.ndarray, " S"]:
    """Returns Gaussian noise with a random smooth spectrum."""
    points = np.geomspace(LOWEST_HZ, sample_rate / 2, POINTS)
    gains = rng.uniform(*SLOPE) * np.log2(points / LOWEST_HZ) + rng.normal(0, DEVIATION, POINTS)
    white = rng.standard_normal(size, dtype=np.float32)
    padded = 1 << (size + sample_rate // 10).bit_length()
    hz = np.maximum(np.fft.rfftfreq(padded, 1 / sample_rate), LOWEST_HZ)
    gain = 10 ** (np.interp(np.log(hz), np.log(points), gains - gains.max()) / 20)
    return np.fft.irfft(np.fft.rfft(white, padded) * gain, padded)[:size].astype(np.float32)


def _steady(rng: np.random.Generator, size: int, rate: int) -> Float[np.ndarray, " S"]:
    return np.ones(size, np.float32)


def _gusts(rng: np.random.Generator, size: int, rate: int) -> Float[np.ndarray, " S"]:
    """exp of a smooth random curve with some changes a second."""
    changes = float(np.exp(rng.uniform(np.log(0.5), np.log(16.0))))
    knots = rng.normal(0, rng.uniform(0.3, 1.5), int(size / rate * changes) + 3)
    places = np.arange(size) * (changes / rate) + rng.random()
    return np.exp(np.interp(places, np.arange(len(knots)), knots)).astype(np.float32)


def _knocks(rng: np.random.Generator, size: int, rate: int) -> Float[np.ndarray, " S"]:
    """Decaying envelopes at random times, above a quiet floor."""
    envelope = np.full(size, 10 ** (rng.uniform(-60, -25) / 20), np.float32)
    each = float(np.exp(rng.uniform(np.log(1.0), np.log(12.0))))  # a second
    for start in rng.integers(size, size=max(int(rng.poisson(each * size / rate)), 1)).tolist():
        decay = float(np.exp(rng.uniform(np.log(0.004), np.log(0.25)))) * rate
        length = min(int(6 * decay) + 1, size - start)
        loud = 10 ** (rng.uniform(-15, 0) / 20)
        envelope[start : start + length] += loud * np.exp(-np.arange(length, dtype=np.float32) / np.float32(decay))
    return envelope


def _hum(rng: np.random.Generator, size: int, rate: int) -> Float[np.ndarray, " S"]:
    """Harmonics of a pitch between 45 and 900 Hz that drifts by up to 6 %."""
    pitch = float(np.exp(rng.uniform(np.log(45.0), np.log(900.0))))
    drift = np.interp(np.arange(size) / rate, np.arange(size // rate + 2), rng.uniform(-1, 1, size // rate + 2))
    phase = 2 * np.pi * np.cumsum(pitch * (1 + rng.uniform(0, 0.06) * drift)) / rate
    slope, total = rng.uniform(0.3, 2.0), np.zeros(size)
    for number in range(1, min(int(0.45 * rate / pitch), 24) + 1):
        loud = number**-slope * 10 ** (rng.uniform(-12, 0) / 20)
        total += loud * np.sin(number * phase + rng.uniform(0, 2 * np.pi))
    return total.astype(np.float32)
