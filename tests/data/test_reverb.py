"""Reverberation agrees with scipy's convolution."""

import numpy as np
import pytest
import scipy.signal

from jaxspeech.data.noise import rms
from jaxspeech.data.reverb import reverberate

RNG = np.random.default_rng(0)
SPEECH = (0.1 * RNG.standard_normal(4000)).astype(np.float32)


@pytest.mark.parametrize("size", [1, 300, 9000])
def test_is_a_convolution_aligned_on_the_direct_sound(size):
    response = (RNG.standard_normal(size) * np.exp(-np.arange(size) / 100)).astype(np.float32)
    peak = np.abs(response).argmax()
    expected = scipy.signal.convolve(SPEECH.astype(np.float64), response)[peak : peak + len(SPEECH)]
    expected *= rms(SPEECH) / rms(expected)
    wet = reverberate(SPEECH, response)
    assert wet.dtype == np.float32
    np.testing.assert_allclose(wet, expected, atol=1e-6)


def test_a_delayed_impulse_changes_nothing():
    response = np.zeros(800, np.float32)
    response[500] = -0.2
    np.testing.assert_allclose(reverberate(SPEECH, response), -SPEECH, atol=1e-6)


def test_silence_stays_silence():
    assert not reverberate(np.zeros(10, np.float32), SPEECH[:5]).any()
