"""Tests the transducer decoder: start symbol, single steps against whole sequences, and the joint's equation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.decoders.transducer import TransducerDecoder

B, T, U, D, V = 2, 6, 4, 8, 10

DECODERS = {
    "lstm": {"num_layers": 2},
    "stateless": {"prediction": "stateless", "context": 3},
    "normalized": {"prediction": "stateless", "context": 2, "context_norm": "layer"},
    "tdt": {"durations": (0, 1, 2)},
    "multi-blank": {"big_blanks": (2, 4), "activation": "tanh"},
}


@pytest.fixture(params=DECODERS)
def decoder(request):
    return TransducerDecoder(V, width=12, joint_width=7, **DECODERS[request.param])


@pytest.fixture
def encoded():
    return jax.random.normal(jax.random.key(0), (B, T, D))


@pytest.fixture
def labels():
    return jax.random.randint(jax.random.key(1), (B, U), 0, V)


@pytest.fixture
def variables(decoder, encoded, labels):
    return decoder.init(jax.random.key(2), encoded, labels)


def test_one_output_for_each_token_blank_and_duration(decoder, variables, encoded, labels):
    logits = decoder.apply(variables, encoded, labels)
    extra = len(decoder.durations) + len(decoder.big_blanks)
    assert logits.shape == (B, T, U + 1, V + 1 + extra)
    assert decoder.blank_id == V + len(decoder.big_blanks)


def test_joint_inputs_are_those_of_the_logits(decoder, variables, encoded, labels):
    inputs = decoder.apply(variables, encoded, labels, method="joint_inputs")
    act = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh}[decoder.activation]
    hidden = act(np.float64(inputs.encoded)[:, :, None] + np.float64(inputs.predicted)[:, None])
    expected = hidden @ np.float64(inputs.kernel) + np.float64(inputs.bias)
    np.testing.assert_allclose(decoder.apply(variables, encoded, labels), expected, atol=1e-5)


def test_label_by_label_equals_all_at_once(decoder, variables, encoded, labels):
    whole = decoder.apply(variables, encoded, labels, method="joint_inputs")
    state, last = decoder.initial_state(B), jnp.full(B, decoder.blank_id)  # the blank is the start symbol
    for n in range(U + 1):
        predicted, state = decoder.apply(variables, last, state, method="predict")
        np.testing.assert_allclose(predicted, whole.predicted[:, n], atol=1e-5)
        last = labels[:, min(n, U - 1)]
    projected = decoder.apply(variables, encoded, method="project")
    np.testing.assert_allclose(projected, whole.encoded, atol=1e-6)
    logits = decoder.apply(variables, projected, predicted[:, None], method="logits")
    np.testing.assert_allclose(logits, decoder.apply(variables, encoded, labels)[:, :, U], atol=1e-5)


def test_a_prediction_depends_on_earlier_labels_only(decoder, variables, encoded, labels):
    changed = labels.at[:, 2].set((labels[:, 2] + 1) % V)
    before, after = (decoder.apply(variables, encoded, y, method="joint_inputs").predicted for y in (labels, changed))
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert (before[:, 3] != after[:, 3]).any(-1).all()


def test_padding_labels_may_be_anything(decoder, variables, encoded, labels):
    padded = labels.at[:, 3:].set(jnp.array([-1, V + 100])[:, None])
    real, other = (decoder.apply(variables, encoded, y, method="joint_inputs").predicted for y in (labels, padded))
    np.testing.assert_array_equal(real[:, :4], other[:, :4])
    assert jnp.isfinite(other).all()


def test_stateless_prediction_depends_on_its_context_only():
    decoder = TransducerDecoder(V, width=12, joint_width=7, prediction="stateless", context=2)
    labels = jnp.array([[1, 2, 3, 4], [5, 2, 3, 4]])
    encoded = jnp.zeros((2, 1, D))
    variables = decoder.init(jax.random.key(0), encoded, labels)
    predicted = decoder.apply(variables, encoded, labels, method="joint_inputs").predicted
    assert (predicted[0, 2] != predicted[1, 2]).any()  # after 1, 2 and after 5, 2
    np.testing.assert_array_equal(predicted[0, 3:], predicted[1, 3:])
