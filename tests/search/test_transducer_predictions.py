"""Predictions for the rows that emit: gathered if they are few, of all rows if they are many."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.search.transducer_predictions import predict_emitting

N = 8


def predict(symbols, state):
    """A network whose calls and rows can be told from their results."""
    return state["sum"] + symbols[:, None], {
        "sum": state["sum"] + symbols[:, None],
        "rows": state["rows"] + len(symbols),
    }


@pytest.mark.parametrize(("emitting", "computed"), [((), 2), ((5,), 2), ((1, 6), 2), ((0, 2, 7), N), (range(N), N)])
def test_rows_that_emit_are_predicted_and_the_others_stay(emitting, computed):
    emits = np.isin(np.arange(N), list(emitting))
    before = {"sum": jnp.arange(float(N * 3)).reshape(N, 3), "rows": jnp.zeros(N, jnp.int32)}
    predicted = jnp.full((N, 3), -1.0)
    symbols = jnp.arange(N) * 100
    run = jax.jit(lambda *inputs: predict_emitting(predict, *inputs))
    after, state = run(jnp.asarray(emits), symbols, predicted, before)
    expected = np.asarray(before["sum"]) + 100 * np.arange(N)[:, None]
    np.testing.assert_array_equal(after, np.where(emits[:, None], expected, -1))
    np.testing.assert_array_equal(state["sum"], np.where(emits[:, None], expected, before["sum"]))
    if jax.default_backend() == "cpu":
        np.testing.assert_array_equal(state["rows"], np.where(emits, computed, 0))
