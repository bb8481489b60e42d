"""Tests searches of attention decoders with language models against all texts that are possible, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.search.attention import attention_greedy
from jaxspeech.search.attention_beam import attention_beam
from jaxspeech.search.joint import ctc_joint
from tests.search.tables import Table, fuse
from tests.search.test_attention import END, FIRST, MOST, START, TABLES, V, all_texts, place, step, text_of
from tests.search.test_joint import FRAMES, PADDED, log_of

MODELS, WEIGHTS = [Table(5, vocab_size=V), Table(6, vocab_size=V)], [1.5, 0.7]
STARTS = np.array([[0, 1], [2, 2], [4, 3]])


def fused(row, text, *, ended):
    """The weighted score of a text by the models of a row."""
    parts = zip(MODELS, WEIGHTS, STARTS[row], strict=True)
    return sum(weight * model.log_prob(text, start=start, end=ended) for model, weight, start in parts)


def ranked(row, *, penalty=0.0, ctc=0.0):
    """Every text by the sum of its scores, the best first."""
    found = []
    for score, text in all_texts(row):
        ended = len(text) < MOST
        score = (1 - ctc) * score + (ctc * log_of(row, text, whole=ended) if ctc else 0)
        score += fused(row, text, ended=ended)
        found.append((score / ((6 + len(text)) / 6) ** penalty, score, text))
    return sorted(found, reverse=True)


@pytest.mark.parametrize(("penalty", "ctc"), [(1.5, 0.0), (0.0, 0.4)])
def test_a_wide_beam_finds_the_best_of_all_texts(penalty, ctc):
    @jax.jit
    def search(logits, state, log_probs, num_frames):
        joint = ctc_joint(log_probs, num_frames, num_tokens=V, end_id=END, weight=ctc, candidates=V) if ctc else None
        return attention_beam(
            step,
            logits,
            state,
            select=lambda state, parents: jnp.take_along_axis(state, parents, axis=1),
            end_id=END,
            most_tokens=MOST,
            beam_size=64,
            num_best=5,
            length_penalty=penalty,
            joint=joint,
            fusion=fuse(MODELS, WEIGHTS, 3, STARTS),
        )

    best = search(FIRST, START, PADDED, np.array(FRAMES))
    for row in range(3):
        expected = [text for text in ranked(row, penalty=penalty, ctc=ctc) if np.isfinite(text[1])][:5]
        for tokens, (_, score, text) in zip(best, expected, strict=False):
            assert text_of(tokens, row) == text
            np.testing.assert_allclose(tokens.score[row], score, rtol=1e-5)
    without = [text for _, text in all_texts(0, penalty=penalty)[:5]]
    assert [text_of(tokens, 0) for tokens in best] != without


def test_greedy_adds_the_models_before_it_chooses():
    @jax.jit
    def search(logits, state):
        fusion = fuse(MODELS, WEIGHTS, 3, STARTS)
        return attention_greedy(step, logits, state, end_id=END, most_tokens=MOST, fusion=fusion)

    tokens = search(FIRST, START)
    for row in range(3):
        text, score, ended = (), 0.0, False
        while len(text) < MOST and not ended:
            decoder = TABLES[row, place(text)].astype(np.float64)
            more = [fused(row, (*text, token), ended=False) - fused(row, text, ended=False) for token in range(V)]
            more[END] = fused(row, text, ended=True) - fused(row, text, ended=False)
            token = int((decoder + more).argmax())
            score, ended = score + decoder[token] + more[token], token == END
            text = text if ended else (*text, token)
        assert text_of(tokens, row) == text
        np.testing.assert_allclose(tokens.score[row], score, rtol=1e-5)
        chosen = [np.exp(TABLES[row, place(text[:i]), token]) for i, token in enumerate(text)]
        np.testing.assert_allclose(tokens.confidence[row, : len(text)], chosen, rtol=1e-5)


def test_drawn_texts_have_the_probabilities_of_the_sum():
    @jax.jit
    def draw(keys, temperature):
        return attention_greedy(
            lambda ids, state: (jnp.zeros((*ids.shape, V)), state),
            jnp.broadcast_to(FIRST[:1], (4000, V)),
            0,
            end_id=END,
            most_tokens=1,
            temperature=temperature,
            keys=keys,
            fusion=fuse(MODELS, WEIGHTS, 4000, STARTS[0]),
        )

    tokens = draw(jax.random.split(jax.random.key(0), 4000), jnp.full(4000, 2.0))
    found = np.bincount(np.where(tokens.num_tokens > 0, tokens.ids[:, 0], END), minlength=V) / 4000
    total = TABLES[0, 1] + [
        fused(0, (token,), ended=False) if token != END else fused(0, (), ended=True) for token in range(V)
    ]
    expected = np.exp(total / 2)
    np.testing.assert_allclose(found, expected / expected.sum(), atol=0.03)
