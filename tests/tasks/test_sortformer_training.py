"""How Sortformer is trained: with fewer frames on the right in a share of the steps."""

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
    "encoder": MODEL["encoder"] | dict.fromkeys(("dropout", "dropout_pre_encoder", "dropout_att"), 0.0),
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
