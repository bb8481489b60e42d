"""Predictions after new tokens come to places that no hypothesis has, and the others stay where they are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.search.transducer_predictions import first_predictions, predict_emitting, predicted_at, unused

B, K, D = 2, 4, 3


def predict(tokens, state):
    total = state["sum"] + tokens[:, None, None]
    return total.sum(1), {"sum": total, "count": state["count"] + 1}


def start():
    state = {"sum": jnp.arange(B * 2.0 * D).reshape(B, 2, D), "count": jnp.zeros(B, jnp.int32)}
    return state, first_predictions(state["sum"].sum(1), state, K)


@jax.jit
def step(predictions, places, parents, tokens, emits):
    state, _ = start()
    row = jnp.arange(B)[:, None]
    before, new = places[row, parents], unused(places)
    predictions = predict_emitting(predict, predictions, state, emits, tokens, before, new)
    places = jnp.where(emits, new, before)
    return predictions, places, predicted_at(predictions, places)


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_equals_predictions_that_move_with_their_hypotheses(share):
    rng = np.random.default_rng(0)
    state, predictions = start()
    sums = np.repeat(np.asarray(state["sum"])[:, None], K, axis=1)
    places = jnp.broadcast_to(jnp.arange(K), (B, K))
    for _ in range(8):
        parents, tokens = rng.integers(K, size=(B, K)), rng.integers(100, size=(B, K))
        emits = rng.random((B, K)) < share
        predictions, places, found = step(predictions, places, parents, tokens, emits)
        sums = sums[np.arange(B)[:, None], parents] + np.where(emits, tokens, 0)[..., None, None]
        np.testing.assert_array_equal(found, sums.sum(2))
        assert (np.asarray(unused(places))[:, :, None] != np.asarray(places)[:, None]).all()
