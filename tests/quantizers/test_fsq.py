"""FSQ against its equations in float64."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.quantizers.fsq import FSQ, dequantize, quantize

LEVELS = (4, 3, 5)


def expected(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values and ids, value by value."""
    values, ids = np.zeros(x.shape), np.zeros(x.shape[:-1], int)
    for place in np.ndindex(x.shape[:-1]):
        base = 1
        for i, levels in enumerate(LEVELS):
            scale, offset = (levels - 1) / 2 * (1 - 1e-3), 0.5 if levels % 2 == 0 else 0.0
            digit = round(scale * np.tanh(x[place][i] + np.tan(offset / scale)) - offset)
            values[place][i] = digit / (levels // 2)
            ids[place] += (digit + levels // 2) * base
            base *= levels
    return values, ids


def test_values_and_ids() -> None:
    x = np.random.default_rng(0).normal(0, 2, (2, 40, 3)).astype(np.float32)
    values, ids = quantize(jnp.asarray(x), LEVELS)
    wanted, numbers = expected(x.astype(np.float64))
    np.testing.assert_allclose(values, wanted, atol=1e-6)
    np.testing.assert_array_equal(ids, numbers)
    np.testing.assert_array_equal(dequantize(ids, LEVELS), values)


def test_every_id_is_a_vector_of_its_own() -> None:
    vectors = np.asarray(dequantize(np.arange(60), LEVELS))
    # An even number of levels has one value fewer above 0 than below.
    levels = [np.arange(-(n // 2), n - n // 2) / (n // 2) for n in LEVELS]
    wanted = [vector[::-1] for vector in itertools.product(*levels[::-1])]
    np.testing.assert_allclose(vectors, wanted, atol=1e-6)


def test_the_gradient_passes_the_rounding() -> None:
    x = jnp.array([[0.3, -0.2, 1.1]])
    gradient = jax.grad(lambda x: quantize(x, LEVELS)[0].sum())(x)[0]
    for i, levels in enumerate(LEVELS):
        scale, offset = (levels - 1) / 2 * (1 - 1e-3), 0.5 if levels % 2 == 0 else 0.0
        slope = scale / np.cosh(float(x[0, i]) + np.tan(offset / scale)) ** 2 / (levels // 2)
        np.testing.assert_allclose(gradient[i], slope, rtol=1e-5)


def test_padding_is_ignored() -> None:
    module = FSQ(2, LEVELS)
    x = np.random.default_rng(1).normal(size=(2, 5, 6)).astype(np.float32)
    x[1, 3:] = np.nan
    found = module.apply({}, jnp.asarray(x), jnp.array([5, 3]))
    assert np.isfinite(found.values).all() and not found.values[1, 3:].any() and not found.ids[1, :, 3:].any()
    looked = module.apply({}, found.ids.at[1, :, 3:].set(10**6), jnp.array([5, 3]), method="lookup")
    np.testing.assert_array_equal(looked, found.values)


def test_levels_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="each level at least 2"):
        FSQ(2, (8, 1))
