import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.nn.long_convolution import TimeConv1D, kernel_gradient, same_depthwise_conv1d


def xlas(x, kernel, *, stride, dilation):
    half = dilation * (len(kernel) // 2)
    return jax.lax.conv_general_dilated(
        x,
        kernel[:, None],
        (stride,),
        [(half, half)],
        rhs_dilation=(dilation,),
        dimension_numbers=("NWC", "WIO", "NWC"),
        feature_group_count=x.shape[-1],
    )


@pytest.mark.parametrize(("taps", "stride", "dilation"), [(5, 1, 1), (5, 2, 1), (33, 1, 1), (33, 2, 1), (19, 1, 2)])
@pytest.mark.parametrize("num_frames", [70, 75])
def test_depthwise_conv_and_its_gradients_are_xlas(taps: int, stride: int, dilation: int, num_frames: int) -> None:
    x = jax.random.normal(jax.random.key(0), (2, num_frames, 3))
    kernel = jax.random.normal(jax.random.key(1), (taps, 3))

    def both(convolve):
        def loss(x, kernel):
            y = convolve(x, kernel, stride=stride, dilation=dilation)
            return jnp.sin(y).sum(), y

        return jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))(x, kernel)

    (_, y), gradients = both(same_depthwise_conv1d)
    (_, want), want_gradients = both(xlas)
    assert y.shape == (2, -(-num_frames // stride), 3)
    np.testing.assert_allclose(y, want, atol=1e-4)
    for ours, theirs in zip(gradients, want_gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_kernel_gradient_keeps_the_precision_of_half_precision_inputs() -> None:
    x, gradient = (
        jax.random.normal(jax.random.key(i), (4, n, 2)).astype(jnp.bfloat16) for i, n in ((0, 332), (1, 300))
    )
    exact = [
        (np.asarray(x, np.float64)[:, i : i + 300] * np.asarray(gradient, np.float64)).sum((0, 1)) for i in range(33)
    ]
    np.testing.assert_allclose(kernel_gradient(x, gradient), exact, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("separable", [True, False])
def test_padding_is_not_looked_at(separable: bool) -> None:
    x = jax.random.normal(jax.random.key(0), (2, 20, 3))
    num_frames = jnp.array([20, 13])
    module = TimeConv1D(4, 5, stride=2, separable=separable)
    variables = module.init(jax.random.key(1), x, num_frames)
    y, lengths = module.apply(variables, x.at[1, 13:].set(jnp.nan), num_frames)
    np.testing.assert_array_equal(lengths, [10, 7])
    alone, length = module.apply(variables, x[1:, :13], num_frames[1:])
    assert np.isfinite(y).all() and length[0] == alone.shape[1] == 7
    np.testing.assert_allclose(y[1, :7], alone[0], atol=1e-5)
