"""The mel-cepstral distance: none at another pace, the difference of cepstra otherwise, whatever the loudness."""

import numpy as np
import pytest
from scipy.fft import dct

from jaxspeech.evaluation.mel_distance import cepstra, mel_distance

RNG = np.random.default_rng(0)


def test_cepstra_are_a_cosine_transform():
    mel = RNG.normal(size=(5, 20))
    np.testing.assert_allclose(cepstra(mel), dct(mel, norm="ortho", axis=1)[:, 1:14], atol=1e-12)


def test_another_pace_or_loudness_is_no_distance():
    mel = RNG.normal(size=(6, 20))
    slower = mel.repeat([1, 3, 2, 1, 4, 1], axis=0) + 2.0
    distance, (found, wanted) = mel_distance(slower, mel)
    assert distance == pytest.approx(0, abs=1e-6)
    np.testing.assert_array_equal(wanted, np.arange(6).repeat([1, 3, 2, 1, 4, 1]))
    np.testing.assert_array_equal(found, np.arange(12))


def test_distance_of_single_frames():
    a, b = RNG.normal(size=(2, 1, 20))
    difference = dct(a - b, norm="ortho", axis=1)[0, 1:14]
    expected = 10 / np.log(10) * np.sqrt(2 * np.sum(difference**2))
    assert mel_distance(a, b)[0] == pytest.approx(expected)
