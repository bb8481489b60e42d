"""The equaliser's gain is measured on tones."""

import numpy as np
import pytest

from jaxspeech.data.equalize import equalize
from jaxspeech.data.noise import rms

RATE = 16000


def gain_db(hz, gains, **options):
    tone = np.sin(2 * np.pi * hz * np.arange(RATE) / RATE).astype(np.float32)
    filtered = equalize(tone, np.array(gains), sample_rate=RATE, **options)
    middle = slice(4000, 12000)
    return 20 * np.log10(rms(filtered[middle]) / rms(tone[middle]))


@pytest.mark.parametrize("hz", [100, 1000, 6000])
def test_a_flat_curve_is_a_gain(hz):
    np.testing.assert_allclose(gain_db(hz, [6.0] * 5), 6.0, atol=0.05)


def test_gains_are_evenly_spaced_in_log_frequency():
    middle = np.sqrt(60 * 8000)
    np.testing.assert_allclose(gain_db(middle, [0.0, 10.0, 0.0]), 10.0, atol=0.3)
    np.testing.assert_allclose(gain_db(np.sqrt(60 * middle), [0.0, 10.0, 0.0]), 5.0, atol=0.3)


def test_low_pass():
    assert gain_db(6000, [0.0, 0.0], low_pass_hz=1500.0) < -40
    assert gain_db(500, [0.0, 0.0], low_pass_hz=1500.0) > -0.1


def test_flat_is_the_identity_to_the_last_sample():
    x = np.random.default_rng(0).standard_normal(777).astype(np.float32)
    np.testing.assert_allclose(equalize(x, np.zeros(4), sample_rate=RATE), x, atol=1e-5)
