"""Tests the beam search of language models against one that grows lists, and against all texts that are possible."""

import itertools
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.search.generate_beam import generate_beam

ENDS, V, MOST, K = (0, 5), 6, 6, 3
# Log-probabilities of a token after the last two and the number of tokens before it: [row, number, last, last but one].
LOGITS = 1.5 * np.random.default_rng(5).standard_normal((3, MOST + 1, V, V, V))
TABLES = (LOGITS - np.logaddexp.reduce(LOGITS, axis=-1, keepdims=True)).astype(np.float32)
LIMITS = np.array([MOST, MOST, 3])


def of_next(row, tokens):
    last, before = ([0, 0, *tokens][::-1])[:2]
    return TABLES[row, len(tokens), last, before]


@cache
def search(**options):
    def step(ids, state):
        """The model: its state has row, number of tokens, and the last token of each hypothesis."""
        row, count, last = state
        return jnp.asarray(TABLES)[row, count + 1, ids, last], (row, count + 1, ids)

    settings = {"end_ids": ENDS, "most_tokens": MOST, "beam_size": K, "num_best": K, **options}
    first, rows, zeros = jnp.asarray(TABLES[:, 0, 0, 0]), jnp.arange(3), jnp.zeros(3, jnp.int32)
    return jax.jit(lambda limits: generate_beam(step, first, (rows, zeros, zeros), limits=limits, **settings))


def text_of(tokens, row):
    return tuple(np.asarray(tokens.ids[row, : tokens.num_tokens[row]]).tolist())


def grown(row, limit, *, length_penalty=1.0, early_stopping=False, k=K):
    """The texts that ended with the search's description, the best first: (rank, score, text)."""
    beam, ended = [(0.0, ())], []
    for n in range(1, limit + 1):
        candidates = sorted(
            ((score + of_next(row, text)[token], (*text, token)) for score, text in beam for token in range(V)),
            reverse=True,
        )[: (1 + len(ENDS)) * k]
        stops = [text[-1] in ENDS or n == limit for _, text in candidates]
        for (score, text), ends in list(zip(candidates, stops, strict=True))[:k]:
            if ends:
                ended.append((score / n**length_penalty, score, tuple(t for t in text if t not in ENDS)))
        ended = sorted(ended, reverse=True)[:k]
        beam = [candidate for candidate, ends in zip(candidates, stops, strict=True) if not ends][:k]
        if len(ended) == k:
            if early_stopping is True or not beam:
                break
            longest = limit if early_stopping == "never" and length_penalty > 0 else n
            if beam[0][0] / longest**length_penalty <= ended[-1][0]:
                break
    return ended


@pytest.mark.parametrize(
    "options",
    [{}, {"early_stopping": True}, {"early_stopping": "never", "length_penalty": 2.0}],
)
def test_the_texts_are_those_of_a_search_that_grows_lists(options):
    found = search(**options)(LIMITS)
    for row, limit in enumerate(LIMITS):
        expected = grown(row, limit, **options)
        assert [text_of(tokens, row) for tokens in found] == [text for _, _, text in expected]
        np.testing.assert_allclose([tokens.score[row] for tokens in found], [score for _, score, _ in expected], 1e-5)
    text = text_of(found[0], 0)
    probs = [np.exp(of_next(0, text[:i])[token]) for i, token in enumerate(text)]
    np.testing.assert_allclose(found[0].confidence[0, : len(text)], probs, rtol=1e-5)


def test_a_wide_beam_without_a_penalty_finds_the_best_of_all_texts():
    (best,) = search(beam_size=120, length_penalty=0.0, early_stopping="never", num_best=1)(np.array([3, 3, 3]))
    for row in range(3):
        texts = [
            (sum(of_next(row, text[:i])[token] for i, token in enumerate(text)), text)
            for tokens in itertools.product([1, 2, 3, 4], repeat=3)
            for text in [tokens, *((*tokens[:n], end) for n in range(3) for end in ENDS)]
        ]
        score, text = max(texts)
        assert text_of(best, row) == tuple(token for token in text if token not in ENDS)
        np.testing.assert_allclose(best.score[row], score, rtol=1e-5)


def test_a_row_depends_on_no_other_row_and_one_without_room_is_empty():
    found, other = search()(LIMITS), search()(np.array([0, MOST, 3]))
    for rank in range(K):
        for row in (1, 2):
            assert text_of(found[rank], row) == text_of(other[rank], row)
            assert found[rank].score[row] == other[rank].score[row]
    assert text_of(other[0], 0) == () and other[0].score[0] == 0 and other[1].score[0] == -np.inf


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"num_best": 4}, "num_best=4 with beam_size=3"),
        ({"most_tokens": 0}, "most_tokens=0"),
        ({"early_stopping": "always"}, "early_stopping='always'"),
    ],
)
def test_a_value_that_cannot_be_is_one_line(options, line):
    with pytest.raises(ConfigError, match=line):
        search(**options)(LIMITS)
