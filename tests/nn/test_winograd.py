import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.nn import winograd
from jaxspeech.nn.grouped_convolution import convolve
from jaxspeech.nn.image_conv import conv3x3


@pytest.mark.parametrize("length", [1, 4, 9, 11])
def test_it_is_the_convolution(length):
    """Its result and both gradients, for rows of any length."""
    rng = np.random.default_rng(length)
    x, kernel, weights = (
        jnp.asarray(rng.standard_normal(shape), jnp.float32) for shape in ((2, length, 5), (3, 5, 7), (2, length, 7))
    )

    def by_taps(x, kernel):
        padded = jnp.pad(x, ((0, 0), (1, 1), (0, 0)))
        return sum(padded[:, i : i + length] @ kernel[i] for i in range(3))

    found, gradients = jax.vjp(winograd.convolve_three, x, kernel)
    expected, their_gradients = jax.vjp(by_taps, x, kernel)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    for ours, theirs in zip(gradients(weights), their_gradients(weights), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=5e-5)


def test_wide_layers_use_it(monkeypatch):
    """On a CPU, where it has fewer products; the result is that of XLA's convolution."""
    rng = np.random.default_rng(0)
    x, kernel = (jnp.asarray(rng.standard_normal(shape), jnp.float32) for shape in ((2, 6, 8), (3, 8, 8)))

    def lowered():
        # A new function each time, as JAX would remember how it traced the same one.
        return jax.jit(lambda x, kernel: convolve(x, kernel, padding=(1, 1))).lower(x, kernel)

    plain = lowered()
    assert "stablehlo.convolution" in plain.as_text()
    monkeypatch.setattr(winograd, "WIDE", 8)
    monkeypatch.setattr(winograd, "LONG", 12)
    faster = lowered()
    assert "stablehlo.convolution" not in faster.as_text()
    np.testing.assert_allclose(faster.compile()(x, kernel), plain.compile()(x, kernel), atol=1e-4)


def test_points_of_a_kernel_are_its_polynomial():
    """A kernel is g0 + g1 p + g2 p^2 at the points 0, 1, -1, 2, -2 and infinity, each over a factor of the method."""
    kernel = np.random.default_rng(0).standard_normal((3, 4, 5)).astype(np.float32)
    found = winograd.kernel_points(jnp.asarray(kernel))
    factors = (4, -6, -6, 24, 24)
    for point, factor, value in zip((0, 1, -1, 2, -2), factors, found, strict=False):
        expected = kernel[0] + point * kernel[1] + point**2 * kernel[2]
        np.testing.assert_allclose(value, expected / factor, atol=1e-6)
    np.testing.assert_array_equal(found[5], kernel[2])


@pytest.mark.parametrize("shape", [(2, 1, 4), (1, 9, 7)])
def test_an_image_is_convolved_by_fewer_products(monkeypatch, shape):
    """Its result and both gradients are those of nine shifted products, for images of any size."""
    rng = np.random.default_rng(0)
    x, kernel, weights = (
        jnp.asarray(rng.standard_normal(size), jnp.float32) for size in ((*shape, 5), (3, 3, 5, 6), (*shape, 6))
    )
    monkeypatch.setattr(winograd, "WIDE", 5)
    monkeypatch.setattr(winograd, "LONG", 1)
    lowered = jax.jit(lambda x, kernel: conv3x3(x, kernel)).lower(x, kernel).as_text()
    assert "stablehlo.while" in lowered and "stablehlo.convolution" not in lowered

    def by_taps(x, kernel):
        n, f = x.shape[1:3]
        padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        return sum(padded[:, i : i + n, j : j + f] @ kernel[i, j] for i in range(3) for j in range(3))

    found, gradients = jax.vjp(conv3x3, x, kernel)
    expected, their_gradients = jax.vjp(by_taps, x, kernel)
    np.testing.assert_allclose(found, expected, atol=5e-5)
    for ours, theirs in zip(gradients(weights), their_gradients(weights), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
