"""Tests the chunk contexts of unified encoders: their masks, their blocks, and the draws of training."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.encoders.chunk_context import UNIFIED
from jaxspeech.encoders.fastconformer import FastConformer
from jaxspeech.errors import ConfigError
from jaxspeech.masks import chunk_window_mask
from jaxspeech.nn import local_attention
from tests.encoders.test_fastconformer import SMALL, make

QUIET = dict(dropout=0.0, dropout_att=0.0, dropout_pre_encoder=0.0, conv_norm="layer", attention_style=UNIFIED)
# Every frame of features is a frame of the encoder.
PLAIN = QUIET | {"subsampling_factor": 1}


@pytest.mark.parametrize(("left", "chunk", "right"), [(3, 2, 1), (0, 1, 0), (70, 13, 13), (1, 4, 0)])
def test_a_mask_by_its_definition(left, chunk, right):
    found = np.asarray(chunk_window_mask(jnp.arange(30), jnp.arange(30), left, chunk, right))
    chunks = [range(first, first + chunk) for first in range(0, 30, chunk)]
    for frames in chunks:
        for query in range(frames.start, min(frames.stop, 30)):
            window = set(range(frames.start - left, frames.stop + right)) & set(range(30))
            assert set(np.flatnonzero(found[query])) == window


@pytest.mark.parametrize("style, context", [(UNIFIED, (3, 2, 1)), (UNIFIED, (2, 5, 0)), ("chunked_limited", (4, 1))])
def test_blocks_give_what_pairs_give(style, context, monkeypatch):
    module, variables, features, num_frames = make(**PLAIN | {"attention_style": style, "attention_context": context})
    pairs, lengths = jax.jit(module.apply)(variables, features, num_frames)
    monkeypatch.setattr(local_attention, "BLOCK", 4)
    monkeypatch.setattr(local_attention, "GROUP", 16)
    blocks, _ = jax.jit(module.apply)(variables, features, num_frames)
    assert not np.array_equal(blocks, pairs)  # by rounding
    for row, n in enumerate(lengths):
        np.testing.assert_allclose(blocks[row, :n], pairs[row, :n], atol=2e-5)


@pytest.mark.parametrize("context", [(70, 13, 13), (70, 1, 0)])
def test_no_array_grows_with_the_square_of_the_time(context):
    module = FastConformer(**SMALL | PLAIN | {"attention_context": context})
    features, num_frames = jax.ShapeDtypeStruct((1, 5000, 20), jnp.float32), jax.ShapeDtypeStruct((1,), jnp.int32)
    variables = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 8, 20)), jnp.array([8]))
    shapes = re.findall(r"\[([\d,]+)\]", str(jax.make_jaxpr(module.apply)(variables, features, num_frames)))
    sizes = [np.prod([int(n) for n in shape.split(",")]) for shape in shapes]
    assert len(sizes) > 100 and max(sizes) < 5000 * 300


def trained(module, variables, features, num_frames, key):
    """Returns the frames that a training step computes."""
    options = dict(train=True, rngs={"dropout": key}, mutable=["batch_stats"])
    (encoded, _), _ = module.apply(variables, features, num_frames, **options)
    return encoded


def test_training_draws_contexts():
    """Without dynamic chunk convolution, a step has the frames of one of the contexts, in their proportions."""
    choices = ((4,), (1, 3), (1,))
    module, variables, features, num_frames = make(**PLAIN, num_layers=1, attention_chunk_context=choices)
    contexts = [(-1, -1), *((4, chunk, right) for chunk in choices[1] for right in choices[2])]
    each = [run_with(module, variables, features, num_frames, context) for context in contexts]
    draw = jax.jit(partial(trained, module, variables, features, num_frames))
    draws = [draw(key) for key in jax.random.split(jax.random.key(1), 60)]
    found = [next(i for i, frames in enumerate(each) if np.allclose(out, frames, atol=2e-5)) for out in draws]
    assert set(found) == set(range(3))
    assert 8 <= found.count(0) <= 28  # of 60 draws with a probability of 0.3


def run_with(module, variables, features, num_frames, context):
    module = module.clone(attention_context=context)
    return jax.jit(module.apply)(variables, features, num_frames)[0]


@pytest.mark.parametrize("style", ["regular", "dcc"])
def test_dynamic_chunk_convolution_hides_what_follows_a_chunk(style):
    """Without frames on the right, a chunk does not depend on the next one; plain convolutions make it do so."""
    choices = ((6,), (5,), (0,))
    module, variables, features, num_frames = make(
        **PLAIN, attention_chunk_context=choices, chunk_context_share=1.0, conv_context_style=style
    )
    run = jax.jit(partial(trained, module, variables, key=jax.random.key(0), num_frames=num_frames))
    changed = run(features=features.at[:, 20:].add(1.0)) - run(features=features)
    assert np.abs(changed[:, 20:25]).max() > 0.1
    assert (np.abs(changed[:, :20]).max() < 1e-5) == (style == "dcc")
    # In inference, NeMo's convolutions see the next chunk.
    inference = run_with(module, variables, features, num_frames, (6, 5, 0))
    plain = run_with(module.clone(conv_context_style="regular"), variables, features, num_frames, (6, 5, 0))
    np.testing.assert_array_equal(inference, plain)


@pytest.mark.slow
def test_layers_after_a_reduction_have_the_same_draw():
    fields = QUIET | {"reduction": "pooling", "reduction_position": 0, "reduction_factor": 2, "scan_layers": False}
    choices = ((4,), (1, 3), (0, 2))
    module, variables, features, num_frames = make(**fields, attention_chunk_context=choices, chunk_context_share=1.0)
    contexts = [(4, chunk, right) for chunk in choices[1] for right in choices[2]]
    each = [run_with(module, variables, features, num_frames, context) for context in contexts]
    draw = jax.jit(partial(trained, module, variables, features, num_frames))
    for key in jax.random.split(jax.random.key(1), 6):
        out = draw(key)
        assert any(np.allclose(out, frames, atol=2e-5) for frames in each)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"attention_context": (70, 13)},
            r"attention_context \(70, 13\): .* takes \(-1, -1\) .* \(left, chunk, right\)",
        ),
        ({"attention_context": (70, 0, 2)}, r"attention_context \(70, 0, 2\)"),
        ({"attention_chunk_context": ((70,), (0, 1), (2,))}, "chunks of at least 1"),
        ({"attention_chunk_context": ((70,), (), (2,))}, "three lists"),
        ({"chunk_context_share": 1.5}, "chunk_context_share is 1.5"),
        ({"attention_style": "regular", "attention_chunk_context": ((70,), (1,), (2,))}, "is for the attention_style"),
    ],
)
def test_contradictions_are_one_line(fields, message):
    with pytest.raises(ConfigError, match=message) as caught:
        FastConformer(**SMALL | {"attention_style": UNIFIED} | fields)
    assert "\n" not in str(caught.value)
