"""Tests the searches of attention decoders against all texts that are possible."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.search.attention import attention_greedy
from jaxspeech.search.attention_beam import attention_beam

END, V, MOST = 0, 4, 3
RNG = np.random.default_rng(0)
# Log-probabilities of a token after the tokens before it: [row, hash of these tokens, V].
TABLES = np.log(RNG.dirichlet(np.ones(V) * 0.7, size=(3, V**MOST * 2))).astype(np.float32)


def place(tokens):
    """The place in the table of what follows these tokens."""
    value = 1
    for token in tokens:
        value = value * V + token
    return value


def step(ids, state):
    """The model: its state is the place in the table, [B L]."""
    state = state * V + ids
    return jnp.asarray(TABLES)[jnp.arange(len(ids))[:, None], jnp.minimum(state, TABLES.shape[1] - 1)], state


FIRST, START = jnp.asarray(TABLES[:, 1]), jnp.ones((3, 1), jnp.int32)


def log_prob(row, tokens, *, ended):
    total = sum(TABLES[row, place(tokens[:i]), token] for i, token in enumerate(tokens))
    return total + (TABLES[row, place(tokens), END] if ended else 0)


def all_texts(row, *, most=MOST, least=0, penalty=0.0):
    """Every text with its log-probability, the best first; one of `most` tokens is cut and has no end."""
    texts = [
        (log_prob(row, tokens, ended=n < most), tokens)
        for n in range(least, most + 1)
        for tokens in itertools.product(range(1, V), repeat=n)
    ]

    def rank(text):
        return text[0] / ((5 + len(text[1]) + 1) / 6) ** penalty

    return sorted(texts, key=rank, reverse=True)


def beam(**options):
    def select(state, parents):
        return jnp.take_along_axis(state, parents, axis=1)

    search = jax.jit(lambda logits, state: attention_beam(step, logits, state, select=select, end_id=END, **options))
    return search(FIRST, START)


def text_of(tokens, row):
    return tuple(np.asarray(tokens.ids[row, : tokens.num_tokens[row]]).tolist())


@pytest.mark.parametrize("options", [{}, {"least_tokens": 1}])
def test_a_wide_beam_finds_the_best_of_all_texts(options):
    best = beam(most_tokens=MOST, beam_size=64, num_best=5, **options)
    for row in range(3):
        expected = all_texts(row, least=options.get("least_tokens", 0))
        for tokens, (score, text) in zip(best, expected, strict=False):
            assert text_of(tokens, row) == text
            np.testing.assert_allclose(tokens.score[row], score, rtol=1e-5)


def test_a_penalty_counts_each_texts_own_length():
    (best,) = beam(most_tokens=MOST, beam_size=64, length_penalty=1.5)
    for row in range(3):
        assert text_of(best, row) == all_texts(row, penalty=1.5)[0][1]


def greedy(**options):
    search = jax.jit(
        lambda logits, state: attention_greedy(step, logits, state, end_id=END, most_tokens=MOST, **options)
    )
    return search(FIRST, START)


def test_greedy_takes_the_most_probable_token_until_the_end():
    tokens = greedy(limits=jnp.array([3, 2, 0]))
    for row, limit in enumerate((3, 2, 0)):
        text, score = (), 0.0
        while len(text) < limit:
            probs = TABLES[row, place(text)]
            score += probs.max()
            if probs.argmax() == END:
                break
            text = (*text, int(probs.argmax()))
        assert text_of(tokens, row) == text
        np.testing.assert_allclose(tokens.score[row], score, rtol=1e-5, atol=1e-6)
        confidence = [np.exp(TABLES[row, place(text[:i]), token]) for i, token in enumerate(text)]
        np.testing.assert_allclose(tokens.confidence[row, : len(text)], confidence, rtol=1e-5)


def test_drawn_texts_have_the_models_probabilities():
    logits = jnp.broadcast_to(FIRST[:1], (4000, V))
    draw = jax.jit(
        lambda keys, temperature: attention_greedy(
            _ends, logits, 0, end_id=END, most_tokens=1, temperature=temperature, keys=keys
        )
    )
    tokens = draw(jax.random.split(jax.random.key(0), 4000), jnp.ones(4000))
    found = np.bincount(np.where(tokens.num_tokens > 0, tokens.ids[:, 0], END), minlength=V) / 4000
    np.testing.assert_allclose(found, np.exp(TABLES[0, 1]), atol=0.03)


def _ends(ids, state):
    return jnp.zeros((*ids.shape, V)), state


def test_what_is_drawn_for_a_row_depends_on_no_other_row():
    keys, temperature = jax.random.split(jax.random.key(1), 3), jnp.array([0.5, 1.0, 2.0])
    drawn = greedy(keys=keys, temperature=temperature)
    # The keys and temperatures of the first two rows are exchanged, those of the last row stay.
    order = jnp.array([1, 0, 2])
    other = greedy(keys=keys[order], temperature=temperature[order])
    assert text_of(drawn, 2) == text_of(other, 2) and drawn.score[2] == other.score[2]
    # A row with the key, the temperature and the table of another one has its text, wherever it is.
    twice = jax.jit(
        lambda keys: attention_greedy(
            lambda ids, state: step(ids[:1].repeat(3, 0), state),
            jnp.repeat(FIRST[:1], 3, 0),
            START,
            end_id=END,
            most_tokens=1,
            temperature=jnp.ones(3),
            keys=keys,
        )
    )
    before, after = twice(keys), twice(keys[::-1])
    for row in range(3):
        assert text_of(before, row) == text_of(after, 2 - row)


def test_logits_of_no_token_have_a_share_of_the_probability_and_are_never_chosen():
    logits = jnp.broadcast_to(jnp.array([0.0, 1.0, 0.5, 9.0]), (1, V))
    (best,) = attention_beam(
        lambda ids, state: (jnp.broadcast_to(logits, (*ids.shape, V)), state),
        logits,
        jnp.zeros((1, 1)),
        select=lambda state, parents: jnp.zeros(parents.shape),
        end_id=END,
        vocab_size=3,
        most_tokens=2,
        beam_size=2,
        least_tokens=2,
    )
    found = attention_greedy(
        lambda ids, state: (jnp.broadcast_to(logits, (1, 1, V)), state),
        logits,
        0,
        end_id=END,
        vocab_size=3,
        most_tokens=2,
    )
    for tokens in (best, found):
        assert text_of(tokens, 0) == (1, 1)
        share = np.exp(1.0) / np.exp(np.asarray(logits[0])).sum()
        np.testing.assert_allclose(tokens.confidence[0], share, rtol=1e-5)


def test_a_wrong_number_of_texts_is_one_line():
    with pytest.raises(ConfigError, match="num_best=3 with beam_size=2"):
        beam(most_tokens=MOST, beam_size=2, num_best=3)
