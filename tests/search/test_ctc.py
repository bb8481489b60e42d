"""Tests greedy CTC search against a loop over itertools.groupby."""

import itertools

import jax
import numpy as np
import pytest

from jaxspeech.search.ctc import ctc_greedy


def loop(log_probs, blank_id):
    """Returns [(id, start, end, mean probability)] and the score of one utterance."""
    tokens, score, time = [], 0.0, 0
    for symbol, run in itertools.groupby(log_probs.argmax(-1)):
        count = len(list(run))
        best = log_probs[time : time + count, symbol]
        if symbol != blank_id:
            tokens.append((symbol, time, time + count, np.exp(best).mean()))
            score += best.sum()
        time += count
    return tokens, score


def random_log_probs(seed, shape):
    """Draws few symbols with every frame repeated, so that runs, repeats and blanks all occur."""
    rng = np.random.default_rng(seed)
    logits = np.repeat(rng.normal(size=shape) * 3, 2, axis=1)[:, : shape[1]]
    return (logits - np.logaddexp.reduce(logits, -1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("blank_id", [0, 3])
def test_equals_the_loop(blank_id):
    log_probs = random_log_probs(blank_id, (5, 40, 4))
    num_frames = np.array([40, 17, 1, 0, 39])
    padded = log_probs.copy()
    for row, frames in enumerate(num_frames):
        padded[row, frames:] = np.nan
    found = jax.tree.map(np.asarray, ctc_greedy(padded, num_frames, blank_id=blank_id))
    assert found.ids.shape == (5, 40)
    for row, frames in enumerate(num_frames):
        tokens, score = loop(log_probs[row, :frames], blank_id)
        count = found.num_tokens[row]
        exact = list(zip(found.ids[row, :count], found.starts[row, :count], found.ends[row, :count], strict=True))
        assert exact == [token[:3] for token in tokens]
        np.testing.assert_allclose(found.confidence[row, :count], [token[3] for token in tokens], rtol=1e-5)
        np.testing.assert_allclose(found.score[row], score, rtol=1e-5, atol=1e-6)


def test_a_run_over_the_last_frame_does_not_wrap_to_the_first():
    logits = np.full((1, 4, 3), -20.0, np.float32)
    logits[0, np.arange(4), [1, 2, 0, 1]] = 0
    found = ctc_greedy(logits, np.array([4]), blank_id=2)
    assert list(found.ids[0, :3]) == [1, 0, 1] and list(found.starts[0, :3]) == [0, 2, 3]
