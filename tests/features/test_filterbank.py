import numpy as np
import pytest

from jaxspeech.features.filterbank import hz_to_mel, mel_filterbank, mel_to_hz
from tests.features.oracle import slaney_edges, triangles

BINS = np.arange(257) * 16000 / 512


def bank(**options):
    return mel_filterbank(80, fft_size=512, sample_rate=16000, low_hz=0.0, high_hz=8000.0, **options)


def test_triangles_between_the_slaney_edges():
    np.testing.assert_allclose(bank(norm="none"), triangles(slaney_edges(80, 8000), BINS), atol=1e-12)


def test_slaney_norm_gives_equal_areas():
    bank_ = mel_filterbank(20, fft_size=1 << 16, sample_rate=16000, low_hz=125, high_hz=7500)
    areas = bank_.sum(0) * 16000 / (1 << 16)
    np.testing.assert_allclose(areas, 1, rtol=1e-4)
    bins = np.arange(bank_.shape[0]) * 16000 / (1 << 16)
    assert bins[bank_.any(1)].min() > 125 and bins[bank_.any(1)].max() < 7500


@pytest.mark.parametrize("scale, hz, mel", [("slaney", 1000, 15), ("slaney", 6400, 42), ("htk", 700, 781.17)])
def test_scales_at_known_points_and_back(scale, hz, mel):
    assert hz_to_mel(hz, scale=scale) == pytest.approx(mel, rel=1e-5)
    np.testing.assert_allclose(mel_to_hz(np.array([hz_to_mel(hz, scale=scale)]), scale=scale), [hz])


def test_equals_the_filters_of_nemo(refs):
    expected = np.load(refs / "preprocessors.npz")["fb"][0].T
    np.testing.assert_allclose(bank(), expected, atol=1e-8)
