"""Tests generation with a table as the model, against a loop over the tokens of each row by itself."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.search.generate import advance, generate, start
from jaxspeech.search.selection import selection

ENDS, V, MOST = (0, 4), 6, 7
# Logits of a token after the last one and the number of tokens before it: [row, number, last, V].
TABLES = (2 * np.random.default_rng(170).standard_normal((4, MOST + 1, V, V))).astype(np.float32)
LIMITS = np.array([7, 7, 2, 0])


def step(ids, state):
    """The model: its state is the number of tokens, [B]."""
    return jnp.asarray(TABLES)[jnp.arange(len(ids)), state + 1, ids], state + 1


FIRST, STATE = jnp.asarray(TABLES[:, 0, 0]), jnp.zeros(4, jnp.int32)
RULES = {"end_ids": ENDS}
KEYS = jax.random.split(jax.random.key(3), 4)


@partial(jax.jit, static_argnames="draws")
def run(first, limits, keys, *, draws=False):
    options = {"select": selection(temperature=1.5, top_k=3), "keys": keys} if draws else {}
    return generate(step, first, STATE, most_tokens=MOST, limits=limits, **RULES, **options)


def text_of(tokens, row):
    return np.asarray(tokens.ids[row, : tokens.num_tokens[row]]).tolist()


def expected(row, limit):
    """The most probable tokens one after another, the probability of each, and the score."""
    text, probs, score, logits = [], [], 0.0, TABLES[row, 0, 0]
    while len(text) < limit:
        of_all = np.exp(logits) / np.exp(logits).sum()
        best = int(of_all.argmax())
        score += np.log(of_all[best])
        if best in ENDS:
            break
        text, probs = [*text, best], [*probs, of_all[best]]
        logits = TABLES[row, len(text), best]
    return text, probs, score


def test_a_text_stops_at_any_of_the_ends_and_at_the_limit_of_its_row():
    tokens = run(FIRST, LIMITS, KEYS)
    lengths = []
    for row, limit in enumerate(LIMITS):
        text, probs, score = expected(row, limit)
        assert text_of(tokens, row) == text
        np.testing.assert_allclose(tokens.confidence[row, : len(text)], probs, rtol=1e-5)
        np.testing.assert_allclose(tokens.score[row], score, rtol=1e-5)
        assert not np.asarray(tokens.ids[row, len(text) :]).any()
        lengths.append(len(text))
    assert lengths == [4, 3, 2, 0]  # one that stops at each end, one at its limit, one without room


def test_a_model_is_not_stepped_after_the_last_token():
    calls = []

    def counted(ids, state):
        jax.debug.callback(lambda: calls.append(1))
        return jnp.eye(V)[1:2], state

    first = jnp.asarray(np.eye(V, dtype=np.float32)[2:3])
    tokens = jax.jit(lambda: generate(counted, first, 0, end_ids=(), most_tokens=4))()
    jax.effects_barrier()
    assert text_of(tokens, 0) == [2, 1, 1, 1] and len(calls) == 3


@pytest.mark.parametrize("draws", [False, True])
def test_a_row_depends_on_no_other_row(draws):
    tokens = run(FIRST, LIMITS, KEYS, draws=draws)
    other = run(FIRST.at[0].set(jnp.nan), LIMITS, KEYS.at[0].set(jax.random.key(9)), draws=draws)
    for row in (1, 2, 3):
        assert text_of(tokens, row) == text_of(other, row) and tokens.score[row] == other.score[row]


@pytest.mark.parametrize("draws", [False, True])
def test_in_parts_the_text_is_the_same_and_each_part_adds_to_it(draws):
    options = {"select": selection(temperature=1.5, top_k=3), "keys": KEYS} if draws else {}
    whole = run(FIRST, LIMITS, KEYS, draws=draws)
    first = jax.jit(lambda: start(FIRST, STATE, most_tokens=MOST, limits=LIMITS, **RULES, **options))
    texts = first()
    add = jax.jit(lambda texts: advance(step, texts, count=2, **RULES, **options))
    seen = [[] for _ in LIMITS]
    for _ in range(MOST):
        for row in range(4):
            text = np.asarray(texts.ids[row, : texts.num_tokens[row]]).tolist()
            assert text[: len(seen[row])] == seen[row]
            seen[row] = text
        if texts.done.all():
            break
        assert int(texts.count) % 2 == 1
        texts = add(texts)
    assert seen == [text_of(whole, row) for row in range(4)]
    np.testing.assert_array_equal(texts.score, whole.score)


def test_drawn_tokens_are_among_the_allowed_ones_and_differ_from_key_to_key():
    logits = jnp.broadcast_to(FIRST[:1], (3000, V))
    keys = jax.random.split(jax.random.key(0), 3000)
    options = {"end_ids": (), "most_tokens": 1, "select": selection(temperature=2.0, top_k=3)}
    tokens = jax.jit(lambda keys: generate(step, logits, 0, keys=keys, **options))(keys)
    weights = np.exp(TABLES[0, 0, 0] / 2)
    weights[np.argsort(weights)[:-3]] = 0
    found = np.bincount(np.asarray(tokens.ids[:, 0]), minlength=V) / 3000
    np.testing.assert_allclose(found, weights / weights.sum(), atol=0.03)


def test_what_is_missing_is_one_line():
    with pytest.raises(ConfigError, match="no keys: pass `keys`, one for each row"):
        generate(step, FIRST, STATE, most_tokens=2, select=selection(temperature=1.0), **RULES)
    with pytest.raises(ConfigError, match="most_tokens=0"):
        generate(step, FIRST, STATE, most_tokens=0, **RULES)
