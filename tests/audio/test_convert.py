"""Arrays of any common type and layout become float32 mono in [-1, 1]."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.audio.convert import to_int16, to_samples
from jaxspeech.errors import AudioError


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        (np.int16, [-32768, 0, 16384]),
        (np.int32, [-(2**31), 0, 2**30]),
        (np.uint8, [0, 128, 192]),
        (np.float16, [-1, 0, 0.5]),
        (np.float32, [-1, 0, 0.5]),
        (np.float64, [-1, 0, 0.5]),
    ],
)
def test_number_types(dtype, values):
    samples = to_samples(np.array(values, dtype))
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples, [-1, 0, 0.5])


def test_channels_are_the_shorter_axis():
    left, right = np.random.default_rng(0).uniform(-1, 1, (2, 50)).astype(np.float32)
    for stereo in (np.stack([left, right]), np.stack([left, right], 1)):
        np.testing.assert_allclose(to_samples(stereo), (left + right) / 2, atol=1e-7)
        np.testing.assert_array_equal(to_samples(stereo, channel=1), right)
    np.testing.assert_array_equal(to_samples(left[None]), left)


def test_jax_arrays_and_lists():
    np.testing.assert_array_equal(to_samples(jnp.array([0.5, -0.5])), [0.5, -0.5])
    np.testing.assert_array_equal(to_samples([0.5, -0.5]), [0.5, -0.5])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(0, np.float32), "no samples"),
        (np.zeros((2, 3, 4)), "shape"),
        (np.array([0.0, np.nan]), "NaN"),
        (np.array([0.0, np.inf]), "infinite"),
        (np.array([1, 2]), "int64"),
        (np.array([1j, 2]), "complex"),
        (np.array([0.0, 12345.0]), "divide by 32768"),
    ],
)
def test_unusable_arrays(array, message):
    with pytest.raises(AudioError, match=message) as caught:
        to_samples(array, name="input 3")
    assert str(caught.value).startswith("input 3: ")


def test_to_int16_is_exact_on_16_bit_values_and_clips():
    values = np.arange(-32768, 32768).astype(np.int16)
    np.testing.assert_array_equal(to_int16(to_samples(values)), values)
    np.testing.assert_array_equal(to_int16(np.array([1.5, -1.5], np.float32)), [32767, -32768])
