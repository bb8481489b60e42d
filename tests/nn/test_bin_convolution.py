import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.nn.bin_convolution import convolve_bins


@pytest.mark.parametrize(
    ("bins", "taps", "stride", "channels", "width"),
    [(21, 9, 1, 1, 4), (18, 9, 2, 4, 4), (5, 3, 1, 4, 1), (7, 3, 1, 40, 2)],
    ids=["one channel", "every second bin", "few bins", "many channels"],
)
def test_bins_folded_into_channels_give_the_convolution(bins, taps, stride, channels, width):
    """Its result and both gradients are those of XLA's convolution."""
    rng = np.random.default_rng(bins)
    x, kernel = (
        jnp.asarray(rng.standard_normal(shape), jnp.float32)
        for shape in ((2, 4, bins, channels), (3, taps, channels, width))
    )

    def by_xla(x, kernel):
        padding = ((1, 1), (taps // 2, taps // 2))
        return jax.lax.conv_general_dilated(x, kernel, (1, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))

    found, gradients = jax.vjp(lambda x, kernel: convolve_bins(x, kernel, stride=stride), x, kernel)
    expected, their_gradients = jax.vjp(by_xla, x, kernel)
    assert found.shape == expected.shape
    weights = jnp.asarray(rng.standard_normal(expected.shape), jnp.float32)
    pairs = [(found, expected), *zip(gradients(weights), their_gradients(weights), strict=True)]
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())
