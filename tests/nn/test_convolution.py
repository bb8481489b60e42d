import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.nn.convolution import ConvolutionModule
from jaxspeech.nn.normalization import BatchNorm, GroupNorm, LayerNorm
from jaxspeech.nn.strided_conv import StridedConv2D
from jaxspeech.nn.subsampling import ConvSubsampling, StackingSubsampling, strided_length


@pytest.mark.parametrize(("depthwise", "channels_in"), [(True, 4), (False, 1), (False, 4)])
@pytest.mark.parametrize("size", [(17, 10), (16, 9)])
def test_strided_conv_equals_xla(depthwise: bool, channels_in: int, size: tuple[int, int]) -> None:
    x = jax.random.normal(jax.random.key(0), (2, *size, channels_in))
    module = StridedConv2D(4, ((1, 1), (1, 1)), depthwise)
    params = module.init(jax.random.key(1), x)["params"]

    def xlas(params, x):
        y = jax.lax.conv_general_dilated(
            x,
            params["kernel"],
            (2, 2),
            [(1, 1), (1, 1)],
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=4 if depthwise else 1,
        )
        return y + params["bias"]

    want, gradient = jax.vjp(xlas, params, x)
    found, ours = jax.vjp(lambda params, x: module.apply({"params": params}, x), params, x)
    np.testing.assert_allclose(found, want, atol=1e-5)
    random = jax.random.normal(jax.random.key(2), want.shape)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-4), ours(random), gradient(random))


def test_subsampled_lengths() -> None:
    assert strided_length(230, (1, 1)) == 115
    assert strided_length(0, (1, 1)) == 0
    x = jnp.ones((3, 231, 20))
    num_frames = jnp.array([230, 157, 1])
    module = ConvSubsampling(8, 4, 16, depthwise=True)
    y, lengths = module.init_with_output(jax.random.key(0), x, num_frames)[0]
    assert y.shape == (3, 29, 16)
    np.testing.assert_array_equal(lengths, [29, 20, 1])
    y, lengths = StackingSubsampling(4, 16).init_with_output(jax.random.key(0), x, num_frames)[0]
    assert y.shape == (3, 58, 16)
    np.testing.assert_array_equal(lengths, [57, 39, 0])


@pytest.mark.parametrize("factor, depthwise, causal", [(8, True, False), (4, False, True), (2, True, True)])
def test_subsampling_in_chunks_changes_nothing(factor, depthwise, causal) -> None:
    x = jax.random.normal(jax.random.key(0), (3, 203, 12))
    num_frames = jnp.array([203, 150, 3])
    spoilt = jnp.where(jnp.arange(203)[None, :, None] < num_frames[:, None, None], x, jnp.nan)
    module = ConvSubsampling(factor, 4, 8, depthwise, causal)
    params = jax.tree.map(lambda p: p + 0.1, jax.jit(module.init)(jax.random.key(1), x, num_frames))
    whole, lengths = jax.jit(module.apply)(params, x, num_frames)
    for chunk in (1, 7):
        chunked, chunked_lengths = jax.jit(module.clone(chunk=chunk).apply)(params, spoilt, num_frames)
        np.testing.assert_array_equal(chunked_lengths, lengths)
        np.testing.assert_allclose(chunked, whole, atol=1e-5)


def test_gradient_of_subsampling_in_chunks() -> None:
    x, num_frames = jax.random.normal(jax.random.key(0), (2, 100, 8)), jnp.array([100, 61])
    module = ConvSubsampling(4, 4, 8, depthwise=True)
    params = jax.jit(module.init)(jax.random.key(1), x, num_frames)

    def gradient(module):
        return jax.jit(jax.grad(lambda params: jnp.square(module.apply(params, x, num_frames)[0]).sum()))(params)

    pairs = zip(*map(jax.tree.leaves, (gradient(module.clone(chunk=9)), gradient(module))), strict=True)
    for chunked, whole in pairs:
        np.testing.assert_allclose(chunked, whole, rtol=1e-4, atol=1e-4)


def test_batch_norm_counts_the_frames_of_the_mask() -> None:
    x = jax.random.normal(jax.random.key(0), (2, 6, 3)) * 3 + 1
    mask = jnp.array([[True] * 6, [True] * 4 + [False] * 2])
    module = BatchNorm()
    variables = module.init(jax.random.key(0), x, mask, train=True)
    np.testing.assert_array_equal(variables["batch_stats"]["mean"], 0)  # initialisation does not update the statistics
    y, updates = module.apply(variables, x.at[1, 4:].set(jnp.nan), mask, train=True, mutable=["batch_stats"])
    real = np.asarray(x)[np.asarray(mask)].astype(np.float64)
    np.testing.assert_allclose(updates["batch_stats"]["mean"], 0.1 * real.mean(0), rtol=1e-5)
    np.testing.assert_allclose(updates["batch_stats"]["var"], 0.9 + 0.1 * real.var(0, ddof=1), rtol=1e-5)
    want = (real - real.mean(0)) / np.sqrt(real.var(0) + 1e-5)
    np.testing.assert_allclose(np.asarray(y)[np.asarray(mask)], want, atol=1e-5)


def test_group_norm_of_an_utterance_does_not_see_its_padding() -> None:
    x = jax.random.normal(jax.random.key(0), (1, 6, 4))
    module = GroupNorm(num_groups=2)
    mask = jnp.array([[True] * 4 + [False] * 2])
    variables = module.init(jax.random.key(0), x, mask)
    y = module.apply(variables, x, mask)
    alone = np.asarray(x, np.float64)[0, :4].reshape(4, 2, 2)
    mean, var = alone.mean((0, 2), keepdims=True), alone.var((0, 2), keepdims=True)
    np.testing.assert_allclose(y[0, :4].reshape(4, 2, 2), (alone - mean) / np.sqrt(var + 1e-5), atol=1e-5)


@pytest.mark.parametrize("module", [GroupNorm(num_groups=2), BatchNorm()])
def test_rows_of_padding_change_neither_gradients_nor_statistics(module) -> None:
    x = jax.random.normal(jax.random.key(0), (2, 6, 4))
    mask = jnp.array([[True] * 4 + [False] * 2, [False] * 6])
    train = {"train": True, "mutable": ["batch_stats"]} if isinstance(module, BatchNorm) else {"mutable": []}
    variables = module.init(jax.random.key(0), x, mask)

    def loss(x: jax.Array, rows: slice) -> jax.Array:
        y, _ = module.apply(variables, x[rows], mask[rows], **train)
        return jnp.where(mask[rows, :, None], y, 0.0).sum() ** 2

    both = jax.grad(loss)(x, slice(2))
    np.testing.assert_allclose(both[:1], jax.grad(loss)(x, slice(1))[:1], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(both[1], 0)
    y, updates = module.apply(variables, x, jnp.zeros_like(mask), **train)
    assert np.isfinite(y).all()
    jax.tree.map(np.testing.assert_array_equal, updates, {k: v for k, v in variables.items() if k == "batch_stats"})


def test_layer_norm_in_bfloat16_keeps_float32_statistics() -> None:
    x = (1000 + jax.random.normal(jax.random.key(0), (2, 3, 256))).astype(jnp.float32)
    module = LayerNorm(dtype=jnp.bfloat16)
    y = module.apply(module.init(jax.random.key(0), x), x)
    assert y.dtype == jnp.bfloat16
    want = (np.asarray(x, np.float64) - np.mean(x, -1, keepdims=True)) / np.std(x, -1, keepdims=True)
    np.testing.assert_allclose(np.asarray(y, np.float32), want, atol=0.03)


@pytest.mark.parametrize("norm", ["batch", "layer", "group"])
def test_convolution_module_ignores_the_content_of_padding(norm: str) -> None:
    x = jax.random.normal(jax.random.key(0), (2, 12, 8))
    mask = jnp.array([[True] * 12, [True] * 7 + [False] * 5])
    module = ConvolutionModule(kernel_size=5, norm=norm, norm_groups=2)
    variables = module.init(jax.random.key(1), x, mask)
    y = module.apply(variables, x, mask)
    spoilt = module.apply(variables, x.at[1, 7:].set(1e6), mask)
    np.testing.assert_array_equal(y[1, :7], spoilt[1, :7])


@pytest.mark.parametrize("factor", [0, 3, 6, 12])
def test_factors_other_than_powers_of_two_are_refused(factor) -> None:
    with pytest.raises(ConfigError, match=f"subsampling by {factor}"):
        ConvSubsampling(factor, 4, 8, depthwise=True)
