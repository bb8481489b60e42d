from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.encoders.fastconformer import FastConformer
from jaxspeech.encoders.layer_stack import stack_layers, unstack_layers
from jaxspeech.errors import ConfigError

SMALL = dict(num_layers=3, width=16, num_heads=2, subsampling_channels=4)
VARIANTS = {
    "fastconformer": {},
    "conformer": dict(subsampling="striding", subsampling_factor=4, conv_kernel=31, xscaling=True),
    "absolute": dict(attention="abs_pos", subsampling="stacking_norm", subsampling_factor=4, xscaling=True),
    "tied": dict(untied_biases=False, conv_norm="group", conv_groups=4, use_bias=False, output_width=12),
    "limited": dict(attention_context=(3, 1), reduction="striding", reduction_position=0, reduction_factor=2),
    "pooled": dict(reduction="pooling", reduction_position=-1, reduction_factor=2, conv_norm="layer"),
    "chunked": dict(attention_context=(4, 1), attention_style="chunked_limited", conv_context=(8, 0)),
    "local": dict(attention="rel_pos_local", attention_context=(3, 2), untied_biases=False),
    "global": dict(attention="rel_pos_local", attention_context=(2, 2), global_frames=1, global_projections=True),
    "unified": dict(attention_context=(3, 2, 1), attention_style="chunked_limited_with_rc", conv_context_style="dcc"),
    "look-aheads": dict(attention_context=((4, 1), (4, 0)), attention_style="chunked_limited"),
    "causal": dict(causal_subsampling=True),
    "factor 1": dict(subsampling_factor=1),
}


def make(seed: int = 0, **fields):
    module = FastConformer(**(SMALL | fields))
    rng = np.random.default_rng(seed)
    features = jnp.asarray(rng.normal(size=(3, 100, 20)), jnp.float32)
    num_frames = jnp.array([99, 61, 30])
    shapes = jax.eval_shape(module.init, jax.random.key(0), features, num_frames)
    # No variable keeps its initial value: zero biases and unit variances would hide mistakes.
    variables = jax.tree_util.tree_map_with_path(
        lambda path, x: jnp.asarray(
            rng.uniform(0.5, 1.5, x.shape) if path[-1].key in ("var", "scale") else 0.2 * rng.normal(size=x.shape),
            jnp.float32,
        ),
        shapes,
    )
    return module, variables, features, num_frames


@pytest.mark.parametrize("fields", VARIANTS.values(), ids=VARIANTS)
def test_padding_and_batch_change_nothing(fields: dict) -> None:
    module, variables, features, num_frames = make(**fields)
    apply = jax.jit(module.apply)
    encoded, lengths = apply(variables, features, num_frames)
    assert encoded.shape[-1] == module.output_dim
    padding = jnp.arange(100)[None, :, None] >= num_frames[:, None, None]
    spoilt, _ = apply(variables, jnp.where(padding, jnp.nan, features), num_frames)
    for b in range(3):
        n = int(lengths[b])
        assert n == pytest.approx(num_frames[b] / module.total_factor, abs=2)
        np.testing.assert_allclose(spoilt[b, :n], encoded[b, :n], atol=2e-5)
    alone, length = apply(variables, features[1:2, : num_frames[1]], num_frames[1:2])
    n = int(length[0])
    assert n == int(lengths[1])
    np.testing.assert_allclose(alone[0, :n], encoded[1, :n], atol=2e-5)


def test_jit_equals_eager() -> None:
    module, variables, features, num_frames = make()
    jitted = jax.jit(module.apply)(variables, features, num_frames)
    eager = module.apply(variables, features, num_frames)
    for a, b in zip(jitted, eager, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)


@pytest.mark.parametrize("name", ["fastconformer", "absolute", "tied", "chunked", "global"])
def test_scanned_layers_equal_unrolled_ones(name: str) -> None:
    module, variables, features, num_frames = make(**VARIANTS[name])
    unrolled = module.clone(scan_layers=False)
    flat = {collection: unstack_layers(tree) for collection, tree in variables.items()}
    expected = jax.eval_shape(unrolled.init, jax.random.key(0), features, num_frames)
    assert jax.tree.map(jnp.shape, flat) == jax.tree.map(jnp.shape, expected)
    jax.tree.map(np.testing.assert_array_equal, {c: stack_layers(t) for c, t in flat.items()}, variables)

    def layers(module: FastConformer, variables):
        outputs = jax.jit(partial(module.apply, layers=("input", 0, 1, 2)))(variables, features, num_frames)[2]
        return [output.frames for output in outputs]

    for encoded, again in zip(layers(module, variables), layers(unrolled, flat), strict=True):
        np.testing.assert_allclose(encoded, again, atol=2e-5)


def test_remat_changes_no_gradient() -> None:
    # The recomputation must draw the same dropout; one of the dropouts is enough to test that.
    quick = dict(subsampling="stacking", dropout_att=0.0, dropout_pre_encoder=0.0)
    module, variables, features, num_frames = make(**quick)

    def gradient(module: FastConformer):
        def loss(params):
            (encoded, _), updates = module.apply(
                variables | {"params": params},
                features,
                num_frames,
                train=True,
                rngs={"dropout": jax.random.key(3)},
                mutable=["batch_stats"],
            )
            return jnp.square(encoded).sum(), updates

        return jax.jit(jax.grad(loss, has_aux=True))(variables["params"])

    plain = gradient(module.clone(remat="none"))
    for remat in ("dots", "full"):
        recomputed = gradient(module.clone(remat=remat))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3), plain, recomputed)


def test_local_attention_is_the_limited_one() -> None:
    module, variables, features, num_frames = make(attention_context=(3, 2))
    limited, lengths = jax.jit(module.apply)(variables, features, num_frames)
    local, _ = jax.jit(module.clone(attention="rel_pos_local").apply)(variables, features, num_frames)
    for row, n in enumerate(lengths):
        np.testing.assert_allclose(local[row, :n], limited[row, :n], atol=2e-5)


def test_training_draws_a_look_ahead() -> None:
    contexts = ((4, 1), (2, 0))
    quiet = dict(dropout=0.0, dropout_att=0.0, dropout_pre_encoder=0.0)
    module, variables, features, num_frames = make(attention_context=contexts, **quiet)

    def train(module, key):
        return module.apply(
            variables, features, num_frames, train=True, rngs={"dropout": key}, mutable=["batch_stats"]
        )[0][0]

    each = [jax.jit(partial(train, module.clone(attention_context=c)))(jax.random.key(0)) for c in contexts]
    assert not np.allclose(*each, atol=1e-3)
    draw = jax.jit(partial(train, module))
    draws = [draw(key) for key in jax.random.split(jax.random.key(1), 12)]
    found = {next(i for i in range(2) if np.allclose(out, each[i], atol=2e-5)) for out in draws}
    assert found == {0, 1}
    always = jax.jit(partial(train, module.clone(attention_context_weights=(0.0, 1.0))))
    for key in jax.random.split(jax.random.key(2), 6):
        np.testing.assert_allclose(always(key), each[1], atol=2e-5)


@pytest.mark.parametrize(
    "fields, message",
    [
        (dict(attention="rel_pos_local"), "without -1"),
        (dict(attention="rel_pos_local", attention_context=((2, 2), (1, 1))), "one regular"),
        (dict(attention_context=((2, 2), (1, 1)), attention_context_weights=(1.0,)), "1 numbers for 2 contexts"),
        (dict(global_frames=1), "only attention 'rel_pos_local'"),
    ],
)
def test_unusable_contexts_raise(fields: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FastConformer(**(SMALL | fields))


def test_stochastic_depth() -> None:
    module, variables, features, num_frames = make(stochastic_depth=0.5)
    np.testing.assert_allclose(module.drop_probabilities, [0.0, 0.25, 0.5])
    uniform = module.clone(stochastic_depth_mode="uniform", stochastic_depth_start=2)
    np.testing.assert_allclose(uniform.drop_probabilities, [0.0, 0.0, 0.5])
    module = module.clone(dropout=0.0, dropout_att=0.0, dropout_pre_encoder=0.0)

    def train(key):
        rngs = {"stochastic_depth": key}
        outputs = module.apply(
            variables, features, num_frames, train=True, layers=("input", 0, 1, 2), rngs=rngs, mutable=["batch_stats"]
        )[0][2]
        return [output.frames for output in outputs]

    skipped = 0
    draws = 20
    train = jax.jit(train)
    for key in jax.random.split(jax.random.key(5), draws):
        layers = train(key)
        assert not np.allclose(layers[1], layers[0])  # the first layer always runs
        skipped += np.allclose(layers[3], layers[2])
    assert 3 <= skipped <= 17  # half of 20 draws


def test_bfloat16_keeps_parameters_and_follows_float32() -> None:
    module, variables, features, num_frames = make()
    half = module.clone(dtype=jnp.bfloat16)
    assert {x.dtype for x in jax.tree.leaves(jax.eval_shape(half.init, jax.random.key(0), features, num_frames))} == {
        jnp.dtype(jnp.float32)
    }
    encoded, _ = jax.jit(half.apply)(variables, features, num_frames)
    assert encoded.dtype == jnp.bfloat16
    exact, lengths = jax.jit(module.apply)(variables, features, num_frames)
    for b in range(3):
        n = int(lengths[b])
        np.testing.assert_allclose(np.asarray(encoded[b, :n], np.float32), exact[b, :n], atol=0.15)
