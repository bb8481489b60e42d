"""Tests beam search by an attention decoder and CTC against all texts and all paths, in float64."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.search.attention_beam import attention_beam
from jaxspeech.search.ctc_prefix import ctc_frames, empty_prefixes, extend_prefixes, score_prefixes
from jaxspeech.search.joint import ctc_joint
from tests.search.test_attention import END, MOST, TABLES, V, all_texts, log_prob, place, text_of

# The decoder has V tokens, of which the first is the end; the CTC head lacks the last. BLANK is its last symbol.
HEAD = V - 1
BLANK, FRAMES = HEAD, (5, 3, 2)
RNG = np.random.default_rng(3)
PROBS = RNG.dirichlet(np.ones(HEAD + 1), size=(3, 5))
LOG_PROBS = np.log(PROBS).astype(np.float32)
PADDED = np.where(np.arange(5)[:, None] < np.array(FRAMES)[:, None, None], LOG_PROBS, np.nan)


def spelled(row):
    """The probability of each text, by summing those of all paths."""
    found = {}
    for path in itertools.product(range(HEAD + 1), repeat=FRAMES[row]):
        merged = tuple(symbol for symbol, _ in itertools.groupby(path) if symbol != BLANK)
        probability = np.prod([PROBS[row, t, symbol] for t, symbol in enumerate(path)])
        found[merged] = found.get(merged, 0.0) + probability
    return found


PROBABILITIES = [spelled(row) for row in range(3)]


def log_of(row, text, *, whole):
    """The log-probability of a text, or of all texts that begin with it, by CTC."""
    alike = [p for other, p in PROBABILITIES[row].items() if (other if whole else other[: len(text)]) == text]
    return np.log(sum(alike)) if alike else -np.inf


def test_prefix_scores_are_those_of_all_paths():
    texts = [(), (1,), (1, 1), (2, 1), (2, 2, 1), (1, 2, 1, 1)]

    @jax.jit
    def run(log_probs, num_frames):
        frames = ctc_frames(log_probs, num_frames, num_tokens=V)
        candidates = jnp.broadcast_to(jnp.arange(V), (3, 1, V))
        found = []
        for text in texts:
            prefixes = empty_prefixes(frames)
            for token in text:
                prefixes = extend_prefixes(frames, prefixes, jnp.full((3, 1), token))
            found.append(score_prefixes(frames, prefixes, candidates, end_id=END)[:, 0])
        return jnp.stack(found)

    scores = np.asarray(run(PADDED, np.array(FRAMES)))
    for scored, text in zip(scores, texts, strict=True):
        for row in range(3):
            expected = [log_of(row, text, whole=True), *(log_of(row, (*text, c), whole=False) for c in range(1, V))]
            np.testing.assert_allclose(scored[row], expected, rtol=1e-4, atol=1e-5)
    assert np.isneginf(scores[..., V - 1]).all()  # a token that the head does not have


def search(rows, *, frames=5, weight=0.4, beam_size=64, candidates=V, num_best=1, spoil=True, **options):
    log_probs = (PADDED if spoil else LOG_PROBS)[rows, :frames]
    table = jnp.asarray(TABLES[rows])

    def step_of_rows(ids, state):
        state = state * V + ids
        return table[jnp.arange(len(ids))[:, None], jnp.minimum(state, table.shape[1] - 1)], state

    def select(state, parents):
        return jnp.take_along_axis(state, parents, axis=1)

    @jax.jit
    def run(log_probs, num_frames):
        joint = ctc_joint(log_probs, num_frames, num_tokens=V, end_id=END, weight=weight, candidates=candidates)
        sizes = {"end_id": END, "most_tokens": MOST, "beam_size": beam_size, "num_best": num_best, **options}
        start = jnp.ones((len(table), 1), jnp.int32)
        return attention_beam(step_of_rows, table[:, 1], start, select=select, joint=joint, **sizes)

    return run(log_probs, np.array(FRAMES)[rows])


def joint_score(row, text, *, weight):
    ended = len(text) < MOST
    by_ctc = log_of(row, text, whole=ended)
    return (1 - weight) * log_prob(row, text, ended=ended) + weight * by_ctc


@pytest.mark.parametrize("weight", [0.3, 0.8])
@pytest.mark.parametrize("least", [0, 1])
def test_a_wide_beam_finds_the_best_of_all_texts_by_both_scores(weight, least):
    best = search(slice(3), weight=weight, num_best=4, least_tokens=least)
    chosen = set()
    for row in range(3):
        texts = [text for _, text in all_texts(row, least=least)]
        expected = sorted(((joint_score(row, text, weight=weight), text) for text in texts), reverse=True)
        for tokens, (score, text) in zip(best, expected, strict=False):
            if not np.isfinite(score):
                assert np.isneginf(tokens.score[row])
                continue
            assert text_of(tokens, row) == text
            np.testing.assert_allclose(tokens.score[row], score, rtol=1e-4)
            # The confidence is the decoder's.
            probs = [np.exp(TABLES[row, place(text[:i]), token]) for i, token in enumerate(text)]
            np.testing.assert_allclose(tokens.confidence[row, : len(text)], probs, rtol=1e-5)
        chosen.add(expected[0][1] == all_texts(row, least=least)[0][1])
    assert False in chosen  # the second score matters


@pytest.mark.parametrize("options", [{"beam_size": 2, "candidates": 2}, {"beam_size": 1}, {"length_penalty": 0.8}])
def test_a_batch_of_one_equals_a_batch_of_many_with_any_padding(options):
    (whole,) = search(slice(3), **options)
    for row, count in enumerate(FRAMES):
        (alone,) = search(slice(row, row + 1), frames=count, spoil=False, **options)
        assert text_of(alone, 0) == text_of(whole, row)
        np.testing.assert_allclose(alone.score[0], whole.score[row], rtol=1e-5)
        assert np.isfinite(alone.score[0])
