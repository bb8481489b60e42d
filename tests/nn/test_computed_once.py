"""A division by 1 that XLA cannot foresee changes no bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.nn.computed_once import computed_once


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("first", [True, False])
def test_values_and_gradients_are_those_of_the_array(dtype, first: bool) -> None:
    x = jnp.array([[0.1, -3.7e-30, 1e30], [jnp.inf, -0.0, 1 / 3]], dtype)
    gradient = jnp.array([[1e-30, 0.7, -2.0], [1 / 3, 5.0, -0.0]], dtype)
    mask = jnp.array([[first, True]])
    y, back = jax.jit(lambda x, mask: jax.vjp(lambda x: computed_once(x, mask), x))(x, mask)
    np.testing.assert_array_equal(np.asarray(y).view(np.uint8), np.asarray(x).view(np.uint8))
    [by_x] = back(gradient)
    np.testing.assert_array_equal(np.asarray(by_x).view(np.uint8), np.asarray(gradient).view(np.uint8))


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="other backends need no help")
def test_the_division_stays() -> None:
    shapes = jax.ShapeDtypeStruct((4, 8), jnp.float32), jax.ShapeDtypeStruct((4,), bool)
    assert " divide(" in jax.jit(computed_once).lower(*shapes).compile().as_text()
