"""Tests that what lies beyond a row's frames counts as zeros in a convolution over frames."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.nn.frame_convolution import FrameConv1D


def test_it_is_the_sum_over_its_taps():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 9, 4))
    conv = FrameConv1D(6, 3)
    variables = conv.init(jax.random.key(0), jnp.asarray(x, jnp.float32), jnp.array([9, 9]))
    kernel, bias = (np.asarray(variables["params"][name], np.float64) for name in ("kernel", "bias"))
    padded = np.pad(x, ((0, 0), (1, 1), (0, 0)))
    expected = bias + sum(padded[:, i : i + 9] @ kernel[i] for i in range(3))
    found = conv.apply(variables, jnp.asarray(x, jnp.float32), jnp.array([9, 9]))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_padding_counts_as_zeros():
    conv: Any = FrameConv1D(3, 3)
    x = jnp.ones((1, 4, 2))
    variables = conv.init(jax.random.key(0), x, jnp.array([4]))
    longer = jnp.full((1, 7, 2), jnp.nan).at[:, :4].set(x)
    np.testing.assert_allclose(
        conv.apply(variables, longer, jnp.array([4]))[:, :4], conv.apply(variables, x, jnp.array([4])), atol=1e-6
    )
