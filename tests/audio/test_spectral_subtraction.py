"""Subtracting a spectrum, whole and in parts, against the formula written out."""

import numpy as np
import pytest

from jaxspeech.audio.spectral_subtraction import SpectralSubtraction, spectrum_of_start, subtract_spectrum

HOP = 8
SIZE, HALF = 4 * HOP, 2 * HOP


def written_out(samples, spectrum):
    """Frame by frame, each sample the mean over its frames."""
    padded = np.pad(np.asarray(samples, np.float64), (HALF, HALF + -len(samples) % HOP), mode="reflect")
    total, count = np.zeros(len(padded)), np.zeros(len(padded))
    for first in range(0, len(padded) - SIZE + 1, HOP):
        bins = np.fft.rfft(padded[first : first + SIZE])
        kept = np.maximum(np.abs(bins) - spectrum, 0) * np.exp(1j * np.angle(bins))
        total[first : first + SIZE] += np.fft.irfft(kept, SIZE)
        count[first : first + SIZE] += 1
    return (total / np.maximum(count, 1))[HALF : HALF + len(samples)]


@pytest.mark.parametrize("size", [0, 1, 5, HOP, HALF, HALF + 1, 3 * HOP, SIZE, 100, 10 * HOP])
def test_it_is_the_formula_whole_and_in_parts(size):
    rng = np.random.default_rng(size)
    samples = rng.standard_normal(size).astype(np.float32)
    spectrum = rng.uniform(0, 4, SIZE // 2 + 1).astype(np.float32)
    expected = written_out(samples, spectrum) if size else np.zeros(0)
    np.testing.assert_allclose(subtract_spectrum(samples, spectrum, HOP), expected, atol=1e-5)
    for part in (1, 7, HOP, 29):
        stream = SpectralSubtraction(spectrum, HOP)
        parts = [stream.feed(samples[i : i + part]) for i in range(0, size, part)]
        np.testing.assert_allclose(np.concatenate([*parts, stream.finish()]), expected, atol=1e-5)


def test_nothing_is_changed_without_a_spectrum_and_nothing_left_of_its_own():
    samples = np.sin(np.arange(160) * 2 * np.pi / HOP).astype(np.float32)
    np.testing.assert_allclose(subtract_spectrum(samples, np.zeros(SIZE // 2 + 1), HOP), samples, atol=1e-6)
    hum = np.full(160, 0.3, np.float32)
    left = subtract_spectrum(hum, spectrum_of_start(hum, HOP), HOP)
    np.testing.assert_allclose(left, 0, atol=1e-6)
