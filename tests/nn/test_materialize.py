"""Tests that `materialize` changes no bit, and that XLA computes its operand once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.nn.materialize import materialize


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_values_and_gradients_are_those_of_the_array(dtype) -> None:
    x = jnp.array([[0.1, -3.7e-30, 1e30], [7.0, -0.0, 1 / 3]], dtype)
    gradient = jnp.array([[1e-30, 0.7, -2.0], [1 / 3, 5.0, -0.0]], dtype)
    y, back = jax.vjp(jax.jit(materialize), x)
    np.testing.assert_array_equal(np.asarray(y).view(np.uint8), np.asarray(x).view(np.uint8))
    [by_x] = back(gradient)
    np.testing.assert_array_equal(np.asarray(by_x).view(np.uint8), np.asarray(gradient).view(np.uint8))


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="only the CPU backend needs it")
def test_an_array_with_three_consumers_is_computed_once() -> None:
    def used(x):
        y = materialize(x * x + jnp.roll(x, 1, axis=1))
        return y.sum(), jnp.square(y).sum(0), jnp.pad(y, ((1, 1), (1, 1)))

    text = jax.jit(used).lower(jax.ShapeDtypeStruct((64, 64), jnp.float32)).compile().as_text()
    assert text.count(" divide(") == 1
