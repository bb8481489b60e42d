import jax
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.features.mfcc import MFCC
from tests.features import oracle

LENGTHS = np.array([6400, 4001, 159, 0])
jitted = jax.jit(lambda module, samples, num_samples: module.apply({}, samples, num_samples), static_argnums=0)


@pytest.fixture(scope="module")
def samples():
    rows = 0.1 * np.random.default_rng(0).standard_normal((len(LENGTHS), 6720))
    return np.where(np.arange(6720) < LENGTHS[:, None], rows, 0).astype(np.float32)


def mfcc(samples, num_samples, **fields):
    return jitted(MFCC(**fields), samples, num_samples)


def test_equals_the_equations_in_float64(samples):
    features, num_frames = mfcc(samples, LENGTHS)
    np.testing.assert_array_equal(num_frames, [40, 26, 1, 0])
    for row, x, length, frames in zip(features, samples, LENGTHS, num_frames, strict=True):
        if length > 256:
            np.testing.assert_allclose(row[:frames], oracle.mfcc(x[:length]), atol=1e-3)
        assert not np.any(row[frames:])


def test_a_recording_has_the_same_frames_alone_and_in_a_batch(samples):
    features, num_frames = mfcc(samples, LENGTHS)
    for row, length, frames in list(zip(features, LENGTHS, num_frames, strict=True))[:3]:
        alone, _ = mfcc(samples[list(LENGTHS).index(length), None, :length], np.array([length]))
        np.testing.assert_allclose(row[:frames], alone[0, :frames], atol=1e-5)


def test_values_in_the_padding_do_not_matter(samples):
    beyond = np.arange(samples.shape[1]) >= LENGTHS[:, None]
    garbage, _ = mfcc(np.where(beyond, np.float32(np.nan), samples), LENGTHS)
    np.testing.assert_array_equal(garbage, mfcc(samples, LENGTHS)[0])


def test_fewer_coefficients_are_the_first_ones(samples):
    few, _ = mfcc(samples, LENGTHS, num_coefficients=13)
    assert few.shape[2] == MFCC(num_coefficients=13).num_features == 13
    np.testing.assert_allclose(few, mfcc(samples, LENGTHS)[0][:, :, :13], atol=1e-4)


def test_plain_transform_is_twice_the_sum(samples):
    plain, _ = mfcc(samples, LENGTHS, dct_norm="none")
    ortho, _ = mfcc(samples, LENGTHS)
    np.testing.assert_allclose(plain[:, :, 0], ortho[:, :, 0] * 2 * np.sqrt(64), rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(plain[:, :, 1:], ortho[:, :, 1:] * np.sqrt(2 * 64), rtol=1e-4, atol=1e-2)


def test_decibels_stay_within_80_of_each_rows_peak():
    # Near silence after a loud click: the bands of a silent frame are all at the floor, so only c[0] is not zero.
    samples = np.zeros((2, 16000), np.float32)
    samples[0, 3200] = 1
    samples[1, 3200] = 10
    features, _ = mfcc(samples, np.array([16000, 16000]), log=False)
    floor = features[:, 60, 0]
    np.testing.assert_allclose(features[:, 60, 1:], 0, atol=1e-3)
    # 20 dB louder: the floor is 20 dB higher, times sqrt(64) for the orthonormal transform.
    assert floor[1] - floor[0] == pytest.approx(20 * 8, rel=1e-3)


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"window": "ones"}, "unknown window 'ones'"),
        ({"dct_norm": "slaney"}, "unknown dct_norm"),
        ({"num_coefficients": 65}, "num_coefficients 65 exceeds num_mels 64"),
        ({"fft_size": 256}, "fft_size 256"),
        ({"high_hz": 0.5, "low_hz": 1.0}, "low_hz 1.0"),
    ],
)
def test_unusable_fields_are_named(fields, message):
    with pytest.raises(ConfigError, match=message):
        MFCC(**fields)
