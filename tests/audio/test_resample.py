"""Resampling gives the known result for band-limited signals, and agrees with scipy."""

import numpy as np
import pytest
import scipy.signal

from jaxspeech.audio.resample import resample


def band_limited(rate, seconds=1.0):
    t = np.arange(int(rate * seconds)) / rate
    return sum(np.sin(2 * np.pi * f * t + f) for f in (100, 333, 1234, 2900)).astype(np.float32) / 4


@pytest.mark.parametrize("to_rate", [8000, 11025, 22050, 44100, 48000])
def test_band_limited_signals_are_kept(to_rate):
    resampled = resample(band_limited(16000), 16000, to_rate)
    expected = band_limited(to_rate)
    assert resampled.dtype == np.float32 and abs(len(resampled) - to_rate) <= 1
    inside = slice(to_rate // 20, -to_rate // 20)
    np.testing.assert_allclose(resampled[inside], expected[inside], atol=1e-3)


def test_agrees_with_scipy_on_a_transient():
    burst = np.zeros(4000, np.float32)
    burst[2000:2100] = np.hanning(100)
    np.testing.assert_allclose(resample(burst, 8000, 16000), scipy.signal.resample(burst, 8000), atol=1e-3)


def test_frequencies_above_the_new_nyquist_do_not_alias():
    hiss = np.sin(2 * np.pi * 6000 * np.arange(16000) / 16000).astype(np.float32)
    assert np.abs(resample(hiss, 16000, 8000)[200:-200]).max() < 1e-3


def test_the_same_rate_is_the_same_array():
    x = band_limited(16000)
    assert resample(x, 16000, 16000) is x
