import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.encoders.jasper import Jasper
from jaxspeech.encoders.jasper_block import Block
from jaxspeech.encoders.parallel_block import kept_shares
from jaxspeech.errors import ConfigError
from tests.encoders.properties import check_padding_and_batch, filled

DENSE = Block(filters=6, kernel=3, repeat=2, residual=True, residual_dense=True)
VARIANTS = {
    "quartznet": (
        Block(filters=8, kernel=33, stride=2, separable=True),
        Block(filters=12, kernel=19, repeat=2, separable=True, residual=True),
        Block(filters=8, kernel=9, dilation=2, separable=True),
        Block(filters=8, kernel=1),
    ),
    "jasper": (Block(filters=8, kernel=5, stride=2), DENSE, DENSE, Block(filters=4, kernel=3, dilation=2)),
    "citrinet": (
        Block(filters=8, kernel=5, separable=True, squeeze_excite=True),
        Block(8, 7, 2, stride=2, stride_last=True, separable=True, residual=True, squeeze_excite=True, se_context=16),
    ),
    "carnelinet": (
        Block(filters=8, kernel=5, stride=2),
        Block(8, 3, 2, separable=True, residual=True, squeeze_excite=True, parallel_kernels=(7,)),
        Block(6, 3, dropout=0.5, parallel_kernels=(5, 1), parallel_residual="conv", parallel_dropout=0.4),
    ),
}


def make(blocks: tuple[Block, ...], **fields):
    return filled(Jasper(blocks, **fields))


@pytest.mark.parametrize("blocks", VARIANTS.values(), ids=VARIANTS)
def test_padding_and_batch_change_nothing(blocks: tuple[Block, ...]) -> None:
    module, variables, features, num_frames = make(blocks, activation="swish")
    lengths = check_padding_and_batch(module, variables, features, num_frames)
    np.testing.assert_array_equal(lengths, -(-num_frames // module.total_factor))


def test_parallel_blocks_are_the_sum_of_blocks_and_their_input() -> None:
    blocks = VARIANTS["carnelinet"]
    module, variables, features, num_frames = make(blocks)
    num_frames = jnp.full(3, 100)
    _, _, outputs = module.apply(variables, features, num_frames, layers=range(module.depth))
    layers = [output.frames for output in outputs]
    for i, residual in ((1, lambda x, _: x), (2, lambda x, params: x @ params["residual"]["pointwise"])):
        x, own = layers[i - 1], {kind: tree[f"block_{i}"] for kind, tree in variables.items()}
        expected = residual(x, own["params"])
        for j, copy in enumerate(blocks[i].copies):
            alone = {kind: {"block_0": tree[f"copy_{j}"]} for kind, tree in own.items()}
            expected += Jasper((copy,)).apply(alone, x, jnp.full(3, x.shape[1]))[0]
        np.testing.assert_allclose(layers[i], expected, atol=1e-5)


def test_training_leaves_out_some_parallel_blocks_and_never_all() -> None:
    shares = np.asarray(jax.vmap(lambda key: kept_shares(key, 3, rate=0.4))(jax.random.split(jax.random.key(0), 4000)))
    values, counts = np.unique(shares > 0, axis=0, return_counts=True)
    np.testing.assert_allclose(np.unique(shares), [0, 1 / 0.6], rtol=1e-6)
    assert len(values) == 7 and values.any(1).all()
    one_kept = counts[values.sum(1) == 1]
    np.testing.assert_allclose(one_kept / 4000, 0.6 * 0.4**2 / (1 - 0.4**3), atol=0.02)


def test_training_ignores_the_padding_unless_configured_otherwise() -> None:
    module, variables, features, num_frames = make(VARIANTS["citrinet"])
    padding = jnp.arange(100)[None, :, None] >= num_frames[:, None, None]
    longer = jnp.pad(jnp.where(padding, jnp.nan, features), ((0, 0), (0, 28), (0, 0)))

    def statistics(module, features):
        rngs = {"dropout": jax.random.key(0)}
        apply = jax.jit(
            lambda x: module.apply(variables, x, num_frames, train=True, mutable=["batch_stats"], rngs=rngs)
        )
        return jax.tree.leaves(apply(features)[1])

    without_window = module.clone(blocks=tuple(Block(**{**vars(b), "se_context": -1}) for b in module.blocks))
    for one, other in zip(statistics(without_window, features), statistics(without_window, longer), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    padded = without_window.clone(norm_over_padding=True)
    assert not np.allclose(statistics(padded, features)[0], statistics(padded, longer)[0], atol=1e-4)


def test_remat_changes_no_gradient_and_half_precision_little() -> None:
    module, variables, features, num_frames = make(VARIANTS["jasper"])

    def gradient(module: Jasper):
        def loss(params):
            (encoded, _), _ = module.apply(
                variables | {"params": params}, features, num_frames, train=True, mutable=["batch_stats"]
            )
            return jnp.square(encoded).mean()

        return jax.jit(jax.grad(loss))(variables["params"])

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), *map(gradient, (module, module.clone(remat=True)))
    )
    encoded, _ = jax.jit(module.clone(dtype=jnp.bfloat16).apply)(variables, features, num_frames)
    exact, _ = jax.jit(module.apply)(variables, features, num_frames)
    assert encoded.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.asarray(encoded[0], np.float32), exact[0], atol=0.1)


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ({"blocks": [{"filters": 8, "kernel": 5}, {"filters": 8, "kernl": 5}]}, r'blocks\[1\]\.kernl .* mean "kernel"'),
        ({"blocks": [{"filters": 8}]}, r"model\.encoder\.blocks\[0\]: missing .*'kernel'"),
        ({"blocks": [{"filters": 8, "kernel": 4}]}, r"blocks\[0\]: kernel is 4; it must be odd"),
        ({"blocks": [{"filters": 8, "kernel": 5, "repeat": 0}]}, "repeat is 0; it must be a positive integer"),
        ({"blocks": [{"filters": 8, "kernel": 5, "stride": 2, "dilation": 2}]}, "one of them must be 1"),
        (
            {"blocks": [{"filters": 4, "kernel": 5, "squeeze_excite": True}]},
            "se_reduction 8 is larger than the number of",
        ),
        (
            {"blocks": [{"filters": 8, "kernel": 5, "stride": 2, "parallel_kernels": [3]}]},
            "parallel_kernels: the block must have a stride of 1",
        ),
        ({"blocks": [{"filters": 8, "kernel": 5, "parallel_kernels": [4]}]}, "kernel is 4; it must be odd"),
        ({"blocks": [{"filters": 8, "kernel": 5, "parallel_residual": "som"}]}, "'som'; did you mean \"sum\""),
        ({"blocks": []}, "at least one block is needed"),
        ({"blocks": 3}, r"model\.encoder\.blocks must be a list of sections"),
        ({"blocks": [{"filters": 8, "kernel": 5}], "activation": "rellu"}, "activation 'rellu'; did you mean \"relu\""),
        ({"blocks": [{"filters": 8, "kernel": 5}], "weight_init": "normal"}, "weight_init 'normal'"),
    ],
)
def test_a_wrong_field_is_one_line(encoder: dict, message: str) -> None:
    config = {"task": "ctc", "features": {"name": "mel"}, "decoder": {"name": "ctc", "vocab_size": 3}}
    with pytest.raises(ConfigError, match=message) as caught:
        build(config | {"encoder": {"name": "jasper"} | encoder})
    assert len(str(caught.value).splitlines()) == 1
