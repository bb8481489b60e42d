import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.nn.depthwise import chunked_depthwise_conv1d, depthwise_conv1d, kernel_gradient, same_depthwise_conv1d


@pytest.mark.parametrize("padding", [(4, 4), (8, 0), (2, 1)])
def test_depthwise_conv_equals_xlas_grouped_convolution(padding: tuple[int, int]) -> None:
    x = jax.random.normal(jax.random.key(0), (2, 30, 6))
    kernel = jax.random.normal(jax.random.key(1), (9, 6))
    want = jax.lax.conv_general_dilated(
        x, kernel[:, None], (1,), [padding], dimension_numbers=("NWC", "WIO", "NWC"), feature_group_count=6
    )
    np.testing.assert_allclose(depthwise_conv1d(x, kernel, padding=padding), want, atol=1e-5)


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
def test_depthwise_conv_and_its_gradients_equal_xla(taps: int, stride: int, dilation: int, num_frames: int) -> None:
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


@pytest.mark.parametrize(("taps", "width"), [(11, 1024), (21, 512)])
def test_rows_that_would_crowd_one_set_of_the_cache_give_the_same(taps: int, width: int) -> None:
    x = jax.random.normal(jax.random.key(0), (2, 24, width))
    kernel = jax.random.normal(jax.random.key(1), (taps, width))
    convolve = jax.jit(same_depthwise_conv1d)
    np.testing.assert_allclose(convolve(x, kernel), xlas(x, kernel, stride=1, dilation=1), atol=1e-4)
    rows = convolve.lower(x, kernel).as_text()
    assert (
        f"x{width + 16}xf32" in rows
        and f"x{width + 16}xf32" not in convolve.lower(x[:, :, 1:], kernel[:, 1:]).as_text()
    )


def test_gradients_of_few_taps_keep_the_precision_of_half_precision_inputs() -> None:
    x, weight = (jax.random.normal(jax.random.key(i), (4, 300, 2)).astype(jnp.bfloat16) for i in range(2))
    kernel = jax.random.normal(jax.random.key(2), (9, 2)).astype(jnp.bfloat16)
    by_x, by_kernel = jax.grad(
        lambda x, kernel: (depthwise_conv1d(x, kernel, padding=(4, 4)) * weight).sum(dtype=jnp.float32), (0, 1)
    )(x, kernel)
    padded, weight = np.pad(np.asarray(x, np.float64), ((0, 0), (4, 4), (0, 0))), np.asarray(weight, np.float64)
    exact = [(padded[:, i : i + 300] * weight).sum((0, 1)) for i in range(9)]
    np.testing.assert_allclose(by_kernel.astype(jnp.float32), exact, rtol=2**-8)
    # Row t of the input meets tap i in output t + 4 - i.
    around = np.pad(weight, ((0, 0), (4, 4), (0, 0)))
    exact = sum(around[:, 8 - i : 308 - i] * np.asarray(kernel, np.float64)[i] for i in range(9))
    np.testing.assert_allclose(by_x.astype(jnp.float32), exact, rtol=0.02, atol=0.05)


def test_kernel_gradient_keeps_the_precision_of_half_precision_inputs() -> None:
    x, gradient = (
        jax.random.normal(jax.random.key(i), (4, n, 2)).astype(jnp.bfloat16) for i, n in ((0, 332), (1, 300))
    )
    exact = [
        (np.asarray(x, np.float64)[:, i : i + 300] * np.asarray(gradient, np.float64)).sum((0, 1)) for i in range(33)
    ]
    np.testing.assert_allclose(kernel_gradient(x, gradient), exact, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("chunk", "padding"), [(3, (4, 4)), (7, (2, 6)), (40, (4, 4))])
def test_a_chunk_is_convolved_without_the_frames_after_it(chunk: int, padding: tuple[int, int]) -> None:
    x = jax.random.normal(jax.random.key(0), (2, 20, 3))
    kernel = jax.random.normal(jax.random.key(1), (9, 3))

    def by_parts(x, kernel):
        """Convolves the recording up to the end of each chunk, and keeps the chunk."""
        ends = range(chunk, 20 + chunk, chunk)
        whole = [depthwise_conv1d(x[:, :end], kernel, padding=padding)[:, end - chunk :] for end in ends]
        return jnp.concatenate(whole, axis=1)

    def chunked(x, kernel):
        return chunked_depthwise_conv1d(x, kernel, padding=padding, chunk=jnp.int32(chunk))

    want, backward = jax.vjp(jax.jit(by_parts), x, kernel)
    got, chunked_backward = jax.vjp(jax.jit(chunked), x, kernel)
    np.testing.assert_allclose(got, want, atol=1e-5)
    for ours, theirs in zip(chunked_backward(jnp.sin(want)), backward(jnp.sin(want)), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
