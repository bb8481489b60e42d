"""The mel-cepstral distance: none at another pace, the difference of cepstra otherwise, whatever the loudness."""

import numpy as np
import pytest
from scipy.fft import dct

from jaxspeech.evaluation.mel_distance import cepstra, mel_distance

RNG = np.random.default_rng(0)


def test_cepstra_are_a_cosine_transform():
    mel = RNG.normal(size=(5, 20))
    np.testing.assert_allclose(cepstra(mel), dct(mel, axis=1)[:, 1:14] / 20, atol=1e-12)


def test_another_pace_or_loudness_is_no_distance():
    mel = RNG.normal(size=(6, 20))
    slower = mel.repeat([1, 3, 2, 1, 4, 1], axis=0) + 2.0
    distance, (found, wanted) = mel_distance(slower, mel)
    assert distance == pytest.approx(0, abs=1e-6)
    np.testing.assert_array_equal(wanted, np.arange(6).repeat([1, 3, 2, 1, 4, 1]))
    np.testing.assert_array_equal(found, np.arange(12))


@pytest.mark.parametrize("bands", [20, 80])
def test_distance_is_the_difference_in_decibels(bands):
    """Of smooth spectra, whatever the number of bands; a factor of 10 in magnitude is 20 dB."""
    place = (np.arange(bands) + 0.5) / bands
    a = RNG.normal(size=(1, 4)) @ np.cos(np.pi * np.arange(4)[:, None] * place)
    b = a + np.log(10) * np.cos(2 * np.pi * place) + 0.7
    expected = np.sqrt(np.mean((20 * np.cos(2 * np.pi * place)) ** 2))
    assert mel_distance(a, b)[0] == pytest.approx(expected)
