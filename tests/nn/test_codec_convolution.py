"""Convolutions at the rates of waveforms against sums over taps, row by row."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.masks import zero_padding
from jaxspeech.nn.codec_convolution import WaveConv1D, WaveDownsample, WaveUpsample
from jaxspeech.nn.wave_activation import WaveActivation

LENGTHS = np.array([12, 6])


def inputs(width: int = 2) -> jax.Array:
    return zero_padding(jax.random.normal(jax.random.key(0), (2, 12, width)), jnp.asarray(LENGTHS))


def around(x: np.ndarray, before: int, after: int, padding: str) -> np.ndarray:
    mode = "reflect" if padding == "reflect" else "constant"
    return np.pad(x, ((before, after), (0, 0)), mode=mode)


def kernel_of(params, axes) -> np.ndarray:
    """The kernel of a weight norm, in float64."""
    direction = np.asarray(params["direction"], np.float64)
    scale = np.expand_dims(np.asarray(params["scale"], np.float64), axes)
    return direction * scale / np.sqrt((direction**2).sum(axes, keepdims=True))


def sums(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, stride: int, dilation: int, count: int) -> np.ndarray:
    taps = range(len(kernel))
    return np.stack([bias + sum(x[stride * t + dilation * i] @ kernel[i] for i in taps) for t in range(count)])


@pytest.mark.parametrize("padding", ["zeros", "reflect", "causal"])
def test_convolutions(padding: str) -> None:
    x = inputs()
    for module, taps, dilation in (
        (WaveConv1D(3, 3, 2, padding), 3, 2),
        (WaveDownsample(3, 3, padding), 6, 1),
        (WaveDownsample(3, 2, padding), 4, 1),
    ):
        stride = getattr(module, "stride", 1)
        variables = module.init(jax.random.key(1), x, jnp.asarray(LENGTHS))
        params = jax.tree.map(lambda p: p + 0.1, variables["params"])
        found = module.apply({"params": params}, x, jnp.asarray(LENGTHS))
        y, lengths = found if stride > 1 else (found, LENGTHS)
        np.testing.assert_array_equal(lengths, LENGTHS // stride)
        kernel, bias = kernel_of(params, (0, 1)), np.asarray(params["bias"], np.float64)
        reach = dilation * (taps - 1)
        side = (stride + 1) // 2 if stride > 1 else reach // 2
        before, after = (reach + 1 - stride, 0) if padding == "causal" else (side, side)
        for row, length in enumerate(LENGTHS):
            whole = around(np.asarray(x[row, :length], np.float64), before, after, padding)
            wanted = sums(whole, kernel, bias, stride, dilation, length // stride)
            np.testing.assert_allclose(y[row, : length // stride], wanted, atol=1e-5)
            assert not y[row, length // stride :].any()


@pytest.mark.parametrize(("stride", "causal", "grouped"), [(3, False, False), (2, False, True), (2, True, True)])
def test_transposed(stride: int, causal: bool, grouped: bool) -> None:
    x = inputs(4)
    module = WaveUpsample(2, stride, causal=causal, grouped=grouped)
    params = module.init(jax.random.key(1), x, jnp.asarray(LENGTHS))["params"]
    params = jax.tree.map(lambda p: p + 0.1, params)
    y, lengths = module.apply({"params": params}, x, jnp.asarray(LENGTHS))
    np.testing.assert_array_equal(lengths, LENGTHS * stride)
    kernel = kernel_of(params, (0, 2))
    if grouped:  # the other channels of a group do not reach an output
        kernel = kernel * np.repeat(np.eye(2), 2, axis=0)
    left = 0 if causal else (stride + 1) // 2
    for row, length in enumerate(LENGTHS):
        wanted = np.zeros(((length + 1) * stride + left, 2)) + np.asarray(params["bias"], np.float64)
        for t in range(length):
            wanted[t * stride : (t + 2) * stride] += np.einsum("c,kcd->kd", np.asarray(x[row, t], np.float64), kernel)
        np.testing.assert_allclose(y[row, : length * stride], wanted[left : left + length * stride], atol=1e-5)
        assert not y[row, length * stride :].any()


def test_a_row_too_short_to_be_reflected_is_finite() -> None:
    module = WaveConv1D(3, 7, padding="reflect")
    x, lengths = inputs(), jnp.array([1, 0])
    variables = module.init(jax.random.key(1), x, lengths)
    y = module.apply(variables, zero_padding(x, lengths), lengths)
    assert np.isfinite(y).all() and y[0, 0].any() and not y[1].any()


def test_activations() -> None:
    x = inputs(4)
    snake = WaveActivation("snake")
    params = {"params": {"alpha": jnp.array([0.5, 1.0, 2.0, 3.0])}}
    a = np.array([0.5, 1.0, 2.0, 3.0])
    waves = np.asarray(x) + np.sin(a * np.asarray(x)) ** 2 / a
    np.testing.assert_allclose(snake.apply(params, x), waves, atol=1e-6)
    half = WaveActivation("half_snake").apply({"params": {"alpha": jnp.array([0.5, 1.0])}}, x)
    np.testing.assert_allclose(half[..., :2], waves[..., :2], atol=1e-6)
    np.testing.assert_allclose(half[..., 2:], jax.nn.leaky_relu(x[..., 2:], 0.01), atol=1e-7)
