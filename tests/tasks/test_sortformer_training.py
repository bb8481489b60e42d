"""How Sortformer is trained: with fewer frames on the right in a share of the steps."""

from functools import partial

import jax
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.decoders.sortformer import SortformerDecoder
from jaxspeech.errors import ConfigError
from jaxspeech.tasks.sortformer import Conversations
from tests.interop.random_model import random_variables
from tests.tasks.test_sortformer import LENGTHS, MODEL

QUIET = MODEL | {
    "encoder": MODEL["encoder"]
    | {"subsampling": "stacking", "remat": "none"}
    | dict.fromkeys(("dropout", "dropout_pre_encoder", "dropout_att"), 0.0),
    "decoder": MODEL["decoder"] | dict.fromkeys(("dropout", "dropout_att", "dropout_out"), 0.0),
}
RNG = np.random.default_rng(0)


def test_the_head_sees_its_right_context_only():
    rows = RNG.normal(size=(1, 9, 12)).astype(np.float32)
    decoder = SortformerDecoder(num_layers=1, width=12, num_heads=3, hidden_width=20, right_context=2)
    run = jax.jit(decoder.apply)
    variables = decoder.init(jax.random.key(0), rows, np.array([9]))
    whole, changed = run(variables, rows, np.array([9])), rows.copy()
    changed[:, 6] += 1
    off = np.abs(np.asarray(run(variables, changed, np.array([9])) - whole)).max((0, 2))
    # Every later frame attends to it too, as the left is not limited.
    np.testing.assert_array_equal(off > 1e-6, np.arange(9) >= 4)


def test_a_share_of_the_steps_has_a_short_right_context():
    variables = random_variables(QUIET)
    samples = RNG.normal(size=(2, 16000)).astype(np.float32) / 10
    targets = (RNG.random((2, 13, 4)) < 0.5).astype(np.float32)
    batch = Conversations(samples, LENGTHS, targets, np.array([13, 9], np.int32), np.arange(2, dtype=np.int32))

    def losses(**changes):
        loss = jax.jit(build(QUIET | changes).loss)
        return [float(loss(variables, batch, jax.random.key(seed))[0].sum()) for seed in range(8)]

    limits = {"encoder": QUIET["encoder"] | {"attention_context": (-1, 1)}}
    limits["decoder"] = QUIET["decoder"] | {"right_context": 1}
    whole, limited = losses()[0], losses(**limits)[0]
    assert abs(whole - limited) > 1e-3
    drawn = losses(causal_share=0.5, causal_right=1)
    kinds = [
        min((abs(value - kind), name) for kind, name in ((whole, "whole"), (limited, "limited"))) for value in drawn
    ]
    assert max(kinds)[0] < 1e-3 and {name for _, name in kinds} == {"whole", "limited"}


def test_settings_that_cannot_be_are_named():
    with pytest.raises(ConfigError, match="causal_share is 2, a share from 0 to 1"):
        build(QUIET | {"causal_share": 2})


STREAM = {"chunk": 4, "left": 1, "right": 2, "cache": 10, "queue": 2, "update": 4, "silence": 1}
LIVE = {"features": MODEL["features"] | {"normalize": "none"}, "scale_audio": False}


def losses_of(variables, **changes):
    """A function of the parameters: the losses of two rows, of 19 and 14 frames, and the new running statistics."""
    rng = np.random.default_rng(1)
    samples, targets = rng.normal(size=(2, 24000)).astype(np.float32) / 10, rng.random((2, 19, 4)) < 0.5
    counts, lengths = np.array([19, 14], np.int32), np.array([24000, 17000], np.int32)
    batch = Conversations(samples, lengths, targets.astype(np.float32), counts, np.arange(2, dtype=np.int32))
    loss = build(QUIET | LIVE | changes).loss
    return lambda params: loss(variables | {"params": params}, batch, jax.random.key(3))


def test_a_stream_of_one_step_is_trained_as_a_whole_recording():
    variables = random_variables(QUIET)
    plain = {"encoder": QUIET["encoder"] | {"norm_over_padding": False}}
    once = {"streaming": STREAM | {"chunk": 19, "update": 19}}
    (expected, stats), (found, ours) = (
        jax.jit(losses_of(variables, **changes))(variables["params"]) for changes in (plain, once)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), ours, stats)


def test_a_stream_is_evaluated_step_by_step():
    variables, rng = random_variables(QUIET), np.random.default_rng(2)
    samples, lengths = rng.normal(size=(2, 24000)).astype(np.float32) / 10, np.array([24000, 17000], np.int32)
    batch = Conversations(samples, lengths, np.zeros((2, 1, 4), np.float32), lengths, lengths)
    task = build(QUIET | LIVE | {"streaming": STREAM})

    @jax.jit
    def both(variables):
        return task.predict(variables, batch), task.inference.activity(variables, samples, lengths)

    (found, counts), (whole, whole_counts) = both(variables)
    np.testing.assert_array_equal(counts, whole_counts)
    # The first chunk sees little of what follows it; how much a frame changes is tested with the steps.
    assert 1e-3 < np.abs(found - whole).max() < 1


@pytest.mark.slow
def test_gradients_of_a_stream_are_those_of_differences():
    """The cache is filled and compressed on the way."""
    variables = random_variables(QUIET)
    losses = losses_of(variables, streaming=STREAM)
    run = jax.jit(jax.value_and_grad(lambda params: losses(params)[0].sum()))
    _, grads = run(variables["params"])
    slope = sum(float((g**2).sum()) for g in jax.tree.leaves(grads))
    assert np.isfinite(slope) and slope > 0
    size = 1e-3 / np.sqrt(slope)
    near = [run(jax.tree.map(lambda p, g, s=s: p + s * size * g, variables["params"], grads))[0] for s in (-1, 1)]
    np.testing.assert_allclose((near[1] - near[0]) / (2 * size), slope, rtol=0.05)
