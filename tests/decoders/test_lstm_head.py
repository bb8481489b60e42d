"""Tests the CTC head after LSTMs against its equation in float64, with padding and in batches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.decoders.lstm_head import LSTMHead

NUM_FRAMES = [6, 3]


def lstm(x, params):
    """One direction over one row, in float64."""
    (w_in, b_in), (w, b) = ((params[name]["kernel"], params[name]["bias"]) for name in ("input_0", "hidden_0"))
    h = c = np.zeros(len(w))
    outputs = []
    for frame in x:
        i, f, g, o = np.split(frame @ w_in + b_in + h @ w + b, 4)
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
        outputs.append(h)
    return np.array(outputs)


@pytest.mark.parametrize("bidirectional", [True, False])
def test_equals_float64_whatever_follows_a_row(bidirectional):
    head = LSTMHead(vocab_size=3, width=4, num_layers=2, bidirectional=bidirectional)
    rng = np.random.default_rng(0)
    encoded = jnp.asarray(rng.normal(size=(2, 7, 5)), jnp.float32)

    def run(head, encoded, num_frames):
        return head(head.states(encoded, num_frames))

    shapes = jax.eval_shape(lambda key: head.init(key, encoded, jnp.array(NUM_FRAMES), method=run), jax.random.key(0))
    params = jax.tree.map(lambda x: rng.normal(size=x.shape), shapes)["params"]
    variables = {"params": jax.tree.map(np.float32, params)}
    found = jax.jit(lambda x: head.apply(variables, x, jnp.array(NUM_FRAMES), method=run))(encoded)
    assert np.isfinite(found).all()
    for row, n in enumerate(NUM_FRAMES):
        x = np.float64(encoded[row, :n])
        for i in range(2):
            y = lstm(x, params[f"forward_{i}"])
            if bidirectional:
                y = np.concatenate([y, lstm(x[::-1], params[f"backward_{i}"])[::-1]], -1)
            x = y
        np.testing.assert_allclose(found[row, :n], x @ params["out"]["kernel"] + params["out"]["bias"], atol=1e-5)
