"""Noise has the requested level or ratio."""

import numpy as np
import pytest

from jaxspeech.data.noise import add_noise, add_white_noise, rms

RNG = np.random.default_rng(0)
SPEECH = (0.1 * RNG.standard_normal(16000)).astype(np.float32)


def test_white_noise_has_its_level():
    noise = add_white_noise(np.zeros(100_000, np.float32), level_db=-50.0, rng=RNG)
    assert noise.dtype == np.float32
    np.testing.assert_allclose(20 * np.log10(rms(noise)), -50.0, atol=0.05)


@pytest.mark.parametrize("size", [500, 16000, 70_000])
@pytest.mark.parametrize("snr_db", [-5.0, 20.0])
def test_recorded_noise_has_its_ratio(size, snr_db):
    noise = (3 * np.sin(np.arange(size) / 7)).astype(np.float32)
    noisy = add_noise(SPEECH, noise, snr_db=snr_db, speech_rms=rms(SPEECH), rng=RNG)
    added = noisy - SPEECH
    assert noisy.shape == SPEECH.shape and noisy.dtype == np.float32
    np.testing.assert_allclose(20 * np.log10(rms(SPEECH) / rms(added)), snr_db, atol=0.01)


def test_any_part_of_a_long_noise_may_be_used():
    noise = np.arange(1, 1000, dtype=np.float32)
    firsts = {
        round(float(add_noise(np.zeros(10, np.float32), noise, snr_db=0.0, speech_rms=1.0, rng=RNG)[0]), 4)
        for _ in range(50)
    }
    assert len(firsts) > 20


def test_silence_is_not_changed():
    silence = np.zeros(100, np.float32)
    np.testing.assert_array_equal(add_noise(SPEECH[:100], silence, snr_db=0.0, speech_rms=0.1, rng=RNG), SPEECH[:100])
    np.testing.assert_array_equal(add_noise(silence, SPEECH, snr_db=0.0, speech_rms=0.0, rng=RNG), silence)
