"""A convolution over frames is that of XLA, forwards and backwards, whichever side is wider."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.nn.frame_convolution import FrameConv1D, convolve_frames


@pytest.mark.parametrize(("taps", "width", "channels"), [(3, 4, 6), (5, 6, 4), (1, 6, 4)])
def test_it_is_a_convolution(taps, width, channels):
    rng = np.random.default_rng(0)
    x, kernel, weights = (
        rng.standard_normal(shape).astype(np.float32)
        for shape in ((2, 9, width), (taps, width, channels), (2, 9, channels))
    )

    def usual(x, kernel):
        return jax.lax.conv_general_dilated(x, kernel, (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC"))

    @jax.jit
    def both(x, kernel):
        return [
            (f(x, kernel), jax.grad(lambda *args, f=f: (f(*args) * weights).sum(), argnums=(0, 1))(x, kernel))
            for f in (convolve_frames, usual)
        ]

    ours, theirs = both(x, kernel)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), ours, theirs)


def test_padding_counts_as_zeros():
    conv: Any = FrameConv1D(3, 3)
    x = jnp.ones((1, 4, 2))
    variables = conv.init(jax.random.key(0), x, jnp.array([4]))
    longer = jnp.full((1, 7, 2), jnp.nan).at[:, :4].set(x)
    np.testing.assert_allclose(
        conv.apply(variables, longer, jnp.array([4]))[:, :4], conv.apply(variables, x, jnp.array([4])), atol=1e-6
    )
