"""Compares the LSTM with its equations in float64, gate by gate, and single steps with a whole sequence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.nn.lstm import LSTM


@pytest.fixture(params=[None, 6], ids=["plain", "projected"])
def stack(request):
    lstm = LSTM(width=5, num_layers=2, dropout=0.5, cell_width=request.param)
    x = jax.random.normal(jax.random.key(0), (3, 7, 4))
    variables = lstm.init(jax.random.key(1), x, lstm.initial_state(3))
    return lstm, variables, x


def by_hand(params, x):
    """Computes the outputs row by row, with the four gates written out."""

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    for layer in range(2):
        into, back = (jax.tree.map(np.float64, params[f"{name}_{layer}"]) for name in ("input", "hidden"))
        project = np.float64(params.get(f"project_{layer}", np.eye(5)))
        outputs = np.zeros((*x.shape[:2], 5))
        for row in range(len(x)):
            h, c = np.zeros(5), np.zeros(len(project))
            for n in range(x.shape[1]):
                gates = x[row, n] @ into["kernel"] + into["bias"] + h @ back["kernel"] + back["bias"]
                i, f, g, o = np.split(gates, 4)
                c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
                h = (sigmoid(o) * np.tanh(c)) @ project
                outputs[row, n] = h
        x = outputs
    return x


def test_equations(stack):
    lstm, variables, x = stack
    outputs, _ = lstm.apply(variables, x, lstm.initial_state(3))
    np.testing.assert_allclose(outputs, by_hand(variables["params"], np.float64(x)), atol=1e-6)


def test_step_by_step_equals_all_at_once(stack):
    lstm, variables, x = stack
    whole, last = lstm.apply(variables, x, lstm.initial_state(3))
    state, steps = lstm.initial_state(3), []
    for n in range(x.shape[1]):
        output, state = lstm.apply(variables, x[:, n : n + 1], state)
        steps.append(output[:, 0])
    np.testing.assert_allclose(jnp.stack(steps, 1), whole, atol=1e-6)
    np.testing.assert_allclose(state.cell, last.cell, atol=1e-6)
    np.testing.assert_allclose(state.hidden, last.hidden, atol=1e-6)


def test_gradients_are_those_of_the_steps_one_by_one(stack):
    """Single steps have JAX's own gradients, with nothing summed after a loop."""
    lstm, variables, x = stack
    weigh = jax.random.normal(jax.random.key(3), (3, 7, 5))
    start = jax.tree.map(lambda s: s + 0.1, lstm.initial_state(3))

    def total(outputs, state):
        return (outputs * weigh).sum() + (state.cell**2).sum() + state.hidden.sum()

    def whole(variables, x, start):
        return total(*lstm.apply(variables, x, start))

    def by_steps(variables, x, start):
        outputs, state = [], start
        for n in range(x.shape[1]):
            output, state = lstm.apply(variables, x[:, n : n + 1], state)
            outputs.append(output[:, 0])
        return total(jnp.stack(outputs, 1), state)

    found, expected = (jax.jit(jax.grad(f, (0, 1, 2)))(variables, x, start) for f in (whole, by_steps))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, expected)


def test_forget_gate_starts_open(stack):
    lstm, variables, _ = stack
    cells = lstm.cell_width or lstm.width
    assert (variables["params"]["input_0"]["bias"][cells : 2 * cells] == 1).all()
    assert (variables["params"]["hidden_0"]["bias"][cells : 2 * cells] == 0).all()
    others = jnp.delete(variables["params"]["input_0"]["bias"], jnp.arange(cells, 2 * cells))
    assert (jnp.abs(others) <= cells**-0.5).all() and others.std() > 0.1


def test_dropout_is_between_layers_only(stack):
    lstm, variables, x = stack
    still, _ = lstm.apply(variables, x, lstm.initial_state(3))
    dropped, _ = lstm.apply(variables, x, lstm.initial_state(3), train=True, rngs={"dropout": jax.random.key(2)})
    assert not np.allclose(still, dropped)
    assert (dropped != 0).all()


def test_bfloat16_products_keep_a_float32_state(stack):
    lstm, variables, x = stack
    outputs, state = lstm.clone(dtype=jnp.bfloat16).apply(variables, x, lstm.initial_state(3))
    assert outputs.dtype == jnp.bfloat16 and state.cell.dtype == jnp.float32
    np.testing.assert_allclose(outputs, lstm.apply(variables, x, lstm.initial_state(3))[0], atol=0.02)
