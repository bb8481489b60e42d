"""Tests the CTC beam search against all paths in float64, and a textbook's search with the same pruning."""

import itertools
import math
from collections import defaultdict
from functools import partial

import jax
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.search.ctc_beam import ctc_beam
from tests.search.tables import Table, fuse

V, BLANK = 2, 2
BONUS, WEIGHT = 0.3, 0.7


def tree_of(tokens):
    return jax.tree.map(np.asarray, tokens)


def random_log_probs(seed, shape, *, scale=2.0):
    logits = scale * np.random.default_rng(seed).normal(size=shape)
    return (logits - np.logaddexp.reduce(logits, -1, keepdims=True)).astype(np.float32)


def with_padding(log_probs, num_frames, value):
    padded = log_probs.copy()
    for row, frames in enumerate(num_frames):
        padded[row, frames:] = value
    return padded


def collapse(path):
    """Returns the tokens of a path: (id, first frame, frame after the last)."""
    tokens, time = [], 0
    for symbol, run in itertools.groupby(path):
        count = len(list(run))
        if symbol != BLANK:
            tokens.append((symbol, time, time + count))
        time += count
    return tokens


def enumerate_texts(log_probs):
    """Returns {text: (log-probability, tokens of the best path, its confidences)} over all paths, in float64."""
    totals, best = defaultdict(lambda: -np.inf), {}
    log_probs = log_probs.astype(np.float64)
    for path in itertools.product(range(V + 1), repeat=len(log_probs)):
        score = sum(frame[symbol] for frame, symbol in zip(log_probs, path, strict=True))
        tokens = collapse(path)
        text = tuple(token for token, _, _ in tokens)
        totals[text] = np.logaddexp(totals[text], score)
        if text not in best or score > best[text][0]:
            sure = [np.exp(log_probs[first:stop, token]).mean() for token, first, stop in tokens]
            best[text] = score, tokens, sure
    return {text: (total, *best[text][1:]) for text, total in totals.items()}


@pytest.fixture(scope="module")
def model():
    return Table(3, vocab_size=V)


@partial(jax.jit, static_argnums=0)
def exact(fused, log_probs, num_frames):
    """All texts of 5 frames fit in the beam."""
    options = {"beam_size": 64, "num_best": 40, "candidates": None, "skip_blank": 1.0, "blank_id": BLANK}
    if fused:
        fusion = fuse([Table(3, vocab_size=V)], [WEIGHT], len(log_probs), 1)
        options |= {"fusion": fusion, "length_bonus": BONUS}
    return ctc_beam(log_probs, num_frames, **options)


@pytest.mark.parametrize("fused", [False, True])
def test_equals_all_paths(fused, model):
    num_frames = np.array([5, 3, 0, 1])
    log_probs = random_log_probs(1, (4, 5, V + 1))
    found = tree_of(exact(fused, with_padding(log_probs, num_frames, np.nan), num_frames))
    again = tree_of(exact(fused, with_padding(log_probs, num_frames, 7.0)[::-1], num_frames[::-1]))
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b[::-1]), found, again)
    for row, frames in enumerate(num_frames):
        expected = enumerate_texts(log_probs[row, :frames])
        scores = {text: total for text, (total, _, _) in expected.items()}
        if fused:
            for text in scores:
                scores[text] += WEIGHT * model.log_prob(text, start=1, end=True) + BONUS * len(text)
        ranked = sorted(scores, key=scores.get, reverse=True)
        for rank, tokens in enumerate(found):
            if rank >= len(ranked):
                assert tokens.score[row] == -np.inf and tokens.num_tokens[row] == 0
                continue
            text, count = ranked[rank], tokens.num_tokens[row]
            assert tuple(tokens.ids[row, :count]) == text
            np.testing.assert_allclose(tokens.score[row], scores[text], rtol=1e-5, atol=1e-5)
            spans = list(zip(*(x[row, :count] for x in tokens[:1] + tokens[2:4]), strict=True))
            assert spans == expected[text][1]
            np.testing.assert_allclose(tokens.confidence[row, :count], expected[text][2], rtol=1e-5)


def test_equals_pyctcdecode():
    pyctcdecode = pytest.importorskip("pyctcdecode")
    log_probs, num_frames = random_log_probs(4, (4, 5, V + 1)), np.array([5, 4, 2, 5])
    found = tree_of(exact(False, log_probs, num_frames))
    decoder = pyctcdecode.build_ctcdecoder(["a", "b", ""])
    wide = {"beam_width": 1000, "beam_prune_logp": -1e9, "token_min_logp": -1e9}
    for row, frames in enumerate(num_frames):
        expected = {beam[0]: beam[3] for beam in decoder.decode_beams(log_probs[row, :frames], **wide)}
        ours = {
            "".join("ab"[token] for token in tokens.ids[row, : tokens.num_tokens[row]]): tokens.score[row]
            for tokens in found
            if tokens.score[row] > -np.inf
        }
        best = sorted(ours, key=lambda text: -ours[text])
        assert best[:5] == sorted(expected, key=lambda text: -expected[text])[:5]
        np.testing.assert_allclose([ours[text] for text in best], [expected[text] for text in best], rtol=1e-4)


def textbook(log_probs, *, blank_id, beam_size, candidates, score):
    """Prefix beam search with dictionaries (Hannun et al., 2014): [(text, score)], the best first."""
    beam = {(): (0.0, -np.inf)}
    for frame in log_probs.astype(np.float64):
        likely = sorted(set(range(len(frame))) - {blank_id}, key=lambda v: -frame[v])[:candidates]
        found = defaultdict(lambda: (-np.inf, -np.inf))

        def add(text, blank, token, found=found):
            found[text] = np.logaddexp(found[text][0], blank), np.logaddexp(found[text][1], token)

        for text, (blank, token) in beam.items():
            either = np.logaddexp(blank, token)
            add(text, either + frame[blank_id], token + frame[text[-1]] if text else -np.inf)
            longer = {*likely, *(other[-1] for other in beam if other[:-1] == text and other)}
            for v in longer:
                add((*text, v), -np.inf, frame[v] + (blank if text and text[-1] == v else either))
        ranked = sorted(found, key=lambda text: -(np.logaddexp(*found[text]) + score(text)))
        beam = {text: found[text] for text in ranked[:beam_size]}
    return [(text, np.logaddexp(*paths) + score(text)) for text, paths in beam.items()]


@pytest.mark.parametrize("weight", [0.0, 0.6])
def test_equals_the_textbook_where_texts_are_pruned(weight):
    b, t, vocab = 4, 20, 6
    options = {"blank_id": vocab, "beam_size": 4, "candidates": 3}
    log_probs = random_log_probs(2, (b, t, vocab + 1))
    language = Table(5, vocab_size=vocab)

    @jax.jit
    def search(log_probs, num_frames):
        fusion = fuse([language], [weight], b) if weight else None
        more = {"fusion": fusion, "length_bonus": weight, "skip_blank": 1.0}
        return ctc_beam(log_probs, num_frames, num_best=4, **options, **more)

    found = tree_of(search(log_probs, np.full(b, t)))
    for row in range(b):
        expected = textbook(
            log_probs[row],
            **options,
            score=lambda text: weight * (language.log_prob(text) + len(text)) if weight else 0,
        )
        if weight:  # only at the end
            ends = {
                text: weight * (language.log_prob(text, end=True) - language.log_prob(text)) for text, _ in expected
            }
            expected = sorted(((text, score + ends[text]) for text, score in expected), key=lambda pair: -pair[1])
        for tokens, (text, score) in zip(found, expected, strict=True):
            assert tuple(tokens.ids[row, : tokens.num_tokens[row]]) == text
            np.testing.assert_allclose(tokens.score[row], score, rtol=1e-5)


def test_runs_of_blanks_are_one_step():
    t, vocab = 24, 4
    log_probs = random_log_probs(3, (2, t, vocab + 1), scale=4.0)
    silent = np.full(vocab + 1, math.log(1e-5 / vocab), np.float32)
    silent[vocab] = math.log1p(-1e-5)
    log_probs[0, [0, 1, 5, 9, 10, 11, 23]] = silent
    log_probs[1, :] = silent
    log_probs[1, [3, 4, 8]] = np.log([0.9, 0.05, 0.02, 0.02, 0.01])  # 0 twice, with a silence between
    found, every = (
        tree_of(
            jax.jit(partial(ctc_beam, blank_id=vocab, beam_size=4, skip_blank=skip))(log_probs, np.array([t, t - 2]))[0]
        )
        for skip in (0.999, 1.0)
    )
    for row in range(2):
        count = every.num_tokens[row]
        assert found.num_tokens[row] == count
        for ours, theirs in zip(
            (found.ids, found.starts, found.ends), (every.ids, every.starts, every.ends), strict=True
        ):
            np.testing.assert_array_equal(ours[row, :count], theirs[row, :count])
        np.testing.assert_allclose(found.confidence[row, :count], every.confidence[row, :count], rtol=1e-4)
    np.testing.assert_allclose(found.score, every.score, atol=1e-3)
    assert list(zip(found.ids[1, :2], found.starts[1, :2], found.ends[1, :2], strict=True)) == [(0, 3, 5), (0, 8, 9)]


def test_more_texts_than_the_beam_has_are_refused():
    with pytest.raises(ConfigError, match="num_best=3 with beam_size=2"):
        ctc_beam(np.zeros((1, 2, 3), np.float32), np.array([2]), blank_id=2, beam_size=2, num_best=3)
