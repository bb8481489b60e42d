"""Language models: probabilities of texts are those of their tokens one after another, and sum to one."""

import itertools

import jax
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.tasks.language_model import Texts, shifted
from tests.language_models import DECODERS, log_prob, stepped, tiny


def batch_of(texts, *, width=8, padding=-1):
    labels = np.full((len(texts), width), padding, np.int32)
    for row, text in enumerate(texts):
        labels[row, : len(text)] = text
    return Texts(labels, np.array([len(text) for text in texts], np.int32), np.arange(len(texts), dtype=np.int32))


@pytest.mark.parametrize("name", DECODERS)
def test_a_step_at_a_time_gives_the_probability_of_the_whole(name):
    """The context of the Transformer, three tokens, is shorter than the texts; padding holds anything."""
    model, texts = tiny(name), [[0, 1, 2, 3, 3, 1, 0, 2], [3], [], [2, 2, 1, 0, 3, 0]]
    found = jax.jit(model.task.predict)(model.variables, batch_of(texts, padding=10**6))
    np.testing.assert_array_equal(found.num_tokens, [8, 1, 0, 6])
    expected = [log_prob(model, text, name=name) for text in texts]
    np.testing.assert_allclose(found.log_prob, expected, rtol=1e-5)
    assert np.ptp(expected) > 1


def test_the_probabilities_of_all_texts_sum_to_one():
    """Those of all texts of at most two tokens, and of all beginnings of three."""
    model = tiny()
    texts = [text for count in range(3) for text in itertools.product(range(4), repeat=count)]
    found = jax.jit(model.task.predict)(model.variables, batch_of(texts, width=2))
    longer = [log_prob(model, text, end=False) for text in itertools.product(range(4), repeat=3)]
    np.testing.assert_allclose(np.exp(found.log_prob).sum() + np.exp(longer).sum(), 1, rtol=1e-5)


def test_a_token_attends_to_as_many_tokens_as_the_context_says():
    """Two layers of three tokens see the last five, and with them their positions."""
    model, apply = tiny(), tiny().task.model.apply
    texts = np.array([[0, 1, 2, 3, 0, 1, 2], [0, 1, 3, 3, 0, 1, 2], [3, 2, 2, 3, 0, 1, 2]])
    logits = np.asarray(apply(model.variables, texts, method="logits"))
    np.testing.assert_allclose(logits[0, -1], logits[2, -1], rtol=1e-5)
    assert np.abs(logits[0, -1] - logits[1, -1]).max() > 1e-3 < np.abs(logits[0, 5] - logits[2, 5]).max()


def test_rows_of_a_state_go_their_own_way():
    """After a search has selected hypotheses, they have different numbers of tokens."""
    model = tiny()
    inference, step = model.task.inference, stepped()
    _, state = step(model.variables, np.array([4, 4]), inference.start(model.variables, 2))
    for token in (1, 2, 3, 0):  # the second row stays where it was
        _, after = step(model.variables, np.array([token, token]), state)
        state = jax.tree.map(lambda new, old: np.stack([new[0], old[1]]), after, state)
    logits, _ = step(model.variables, np.array([2, 2]), state)
    log_probs = np.asarray(jax.nn.log_softmax(logits))
    for row, text in enumerate(([1, 2, 3, 0, 2], [2])):
        expected = log_prob(model, [*text, 3], end=False) - log_prob(model, text, end=False)
        np.testing.assert_allclose(log_probs[row, 3], expected, rtol=1e-4)


def test_the_loss_is_the_smoothed_negative_log_probability():
    model, batch = tiny(), batch_of([[0, 1, 2], [3]])
    rows, updates = jax.jit(model.task.phases[0].loss)(model.variables, batch, jax.random.key(0))
    np.testing.assert_array_equal(rows.weights, [4, 2])
    assert updates == {} and rows.logged["loss_per_token"].shape == (2,)
    texts = shifted(batch.labels, batch.num_labels, end_id=4)
    np.testing.assert_array_equal(texts.inputs[:, :4], [[4, 0, 1, 2], [4, 3, 4, 4]])
    np.testing.assert_array_equal(texts.targets[:, :4], [[0, 1, 2, 4], [3, 4, 4, 4]])
    np.testing.assert_array_equal(texts.counts.sum(1), [4, 2])


def test_wrong_sizes_are_refused():
    for fields, message in (({"num_heads": 3}, "not divisible"), ({"context": 0}, "at least 1")):
        decoder = tiny().task.model.decoder.clone(**fields)
        with pytest.raises(ConfigError, match=message):
            jax.eval_shape(decoder.init, jax.random.key(0), np.zeros((1, 1), np.int32))
