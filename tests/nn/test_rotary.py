"""Rotary positions: products depend on the distance alone; frequencies for longer texts."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.nn.rotary import Rope, rotary_frequencies, rotated, rotation


def test_products_depend_on_the_distance():
    draw = np.random.default_rng(0).standard_normal
    query, key = jnp.asarray(draw((1, 1, 2, 8))), jnp.asarray(draw((1, 1, 2, 8)))

    def product(at, of):
        by = [rotation(Rope(), 8, jnp.array([[place]])) for place in (at, of)]
        return (rotated(query, by[0]) * rotated(key, by[1])).sum(-1)

    np.testing.assert_allclose(product(9, 4), product(105, 100), atol=1e-4)
    assert np.abs(product(9, 4) - product(9, 5)).max() > 1e-3
    assert (
        rotated(jnp.ones((1, 1, 1, 8), jnp.bfloat16), rotation(Rope(), 8, jnp.zeros((1, 1), int))).dtype == jnp.bfloat16
    )


def test_frequencies_of_longer_texts():
    plain = rotary_frequencies(Rope(100.0), 8)
    np.testing.assert_allclose(plain, [1, 100**-0.25, 0.1, 100**-0.75])
    np.testing.assert_allclose(rotary_frequencies(Rope(100.0, "linear", 4), 8), plain / 4)
    found = rotary_frequencies(Rope(100.0, "llama3", 4, original_context=64), 8)
    assert found[0] == plain[0]  # more than 4 waves fit
    np.testing.assert_allclose(found[3], plain[3] / 4)  # less than one
    assert plain[2] / 4 < found[2] < plain[2]
    with pytest.raises(ConfigError, match="above low_frequency_factor"):
        rotary_frequencies(Rope(scaling="llama3", high_frequency_factor=1), 8)
    with pytest.raises(ConfigError, match="factor is 0"):
        rotary_frequencies(Rope(scaling="linear", factor=0), 8)
