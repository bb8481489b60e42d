"""Tests the reversal of padded rows."""

import jax.numpy as jnp
import numpy as np

from jaxspeech.nn.reverse import reverse


def test_reversing_keeps_the_padding_in_place() -> None:
    x = jnp.arange(10.0).reshape(2, 5, 1)
    np.testing.assert_array_equal(reverse(x, jnp.array([5, 3]))[..., 0], [[4, 3, 2, 1, 0], [7, 6, 5, 8, 9]])
