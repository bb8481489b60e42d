"""Tests greedy CTC search with other models against NeMo's loop over frames, written in NumPy."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.search.ctc import ctc_greedy, ctc_start
from jaxspeech.search.ctc_fused import ctc_greedy_fused
from tests.search.tables import Table, fuse
from tests.search.test_ctc import random_log_probs

B, T, V, CUT = 4, 60, 40, 23
SECOND = 0.5


def tree_of(tokens):
    return jax.tree.map(np.asarray, tokens)


def loop(log_probs, model, weight):
    """Returns the label of every frame and the score, as `GreedyBatchedCTCInfer` does in NeMo."""
    state, last, labels, score = 0, V, [], 0.0
    for frame in log_probs:
        label = frame.argmax()
        if label not in (V, last):
            total = frame[:-1] + weight * model.scores[state] + SECOND * model.scores[state]
            total[last : last + 1] = -np.inf
            label = total.argmax()
            state, score = model.following[state, label], score + total[label]
        elif label != V:
            score += frame[label]
        labels.append(label)
        last = label
    return np.array(labels), score


def runs(labels):
    """Returns [(id, first frame, frame after the last)]."""
    time, found = 0, []
    for label, run in itertools.groupby(labels.tolist()):
        end = time + len(list(run))
        found += [(label, time, end)] if label != V else []
        time = end
    return found


@jax.jit
def search(log_probs, num_frames, weight, states, models):
    model = Table(7, vocab_size=V)
    fusion = fuse([model, model], jnp.stack([weight, jnp.float32(SECOND)]), B)
    return ctc_greedy_fused(log_probs, num_frames, states, fusion._replace(state=models))


def start():
    return ctc_start(B, blank_id=V), (np.zeros(B, np.int32), np.zeros(B, np.int32))


def test_equals_a_loop_over_frames():
    # The scales make some rows sure of their tokens, and others need the scores of all of them.
    log_probs = random_log_probs(0, (B, T, V + 1)) * np.array([1, 0.3, 3, 0.1], np.float32)[:, None, None]
    log_probs[..., V] += 2
    log_probs -= np.logaddexp.reduce(log_probs, -1, keepdims=True)
    num_frames, model = np.array([T, 41, 1, 0]), Table(7, vocab_size=V)
    padded = log_probs.copy()
    for row, frames in enumerate(num_frames):
        padded[row, frames:] = np.nan
    changed = 0
    for weight in (0.5, -0.8):  # a model can also be subtracted
        found, again, _, _ = tree_of(search(padded, num_frames, np.float32(weight), *start()))
        assert not again.any()
        for row, frames in enumerate(num_frames):
            labels, score = loop(log_probs[row, :frames], model, weight)
            count, expected = found.num_tokens[row], runs(labels)
            assert list(zip(*(x[row, :count] for x in (found.ids, found.starts, found.ends)), strict=True)) == expected
            np.testing.assert_allclose(found.score[row], score, rtol=1e-4, atol=1e-5)
            sure = [np.exp(log_probs[row, start:end, token]).mean() for token, start, end in expected]
            np.testing.assert_allclose(found.confidence[row, :count], sure, rtol=1e-4)
            changed += labels.tolist() != log_probs[row, :frames].argmax(-1).tolist()
    assert changed >= 3


def test_two_parts_equal_the_whole():
    log_probs = random_log_probs(1, (B, T, V + 1)) * 0.4
    log_probs[..., V] += 1.5
    num_frames, weight = np.array([T, 41, CUT - 5, 30]), np.float32(0.5)
    whole, _, _, last = tree_of(search(log_probs, num_frames, weight, *start()))
    parts = [np.zeros_like(log_probs), np.zeros_like(log_probs)]
    parts[0][:, :CUT], parts[1][:, : T - CUT] = log_probs[:, :CUT], log_probs[:, CUT:]
    state, rows = start(), [[] for _ in range(B)]
    for part, frames in zip(parts, (np.minimum(num_frames, CUT), np.maximum(num_frames - CUT, 0)), strict=True):
        tokens, again, *state = tree_of(search(part, frames, weight, *state))
        for row, kept in enumerate(rows):
            del kept[len(kept) - again[row] :]
            count = tokens.num_tokens[row]
            kept += zip(*(x[row, :count] for x in (tokens.ids, tokens.starts, tokens.ends)), strict=True)
    for row, kept in enumerate(rows):
        count = whole.num_tokens[row]
        assert kept == list(zip(*(x[row, :count] for x in (whole.ids, whole.starts, whole.ends)), strict=True))
    jax.tree.map(np.testing.assert_array_equal, state[1], last)


def test_models_without_weight_change_nothing():
    log_probs = random_log_probs(2, (B, T, V + 1))
    model = Table(7, vocab_size=V)
    model.scores[:] = 0

    @jax.jit
    def fused(log_probs, num_frames):
        fusion = fuse([model], [1.0], B)
        return ctc_greedy_fused(log_probs, num_frames, ctc_start(B, blank_id=V), fusion)[0]

    num_frames = np.array([T, T - 1, 7, 0])
    found, greedy = fused(log_probs, num_frames), ctc_greedy(log_probs, num_frames, blank_id=V)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), found, greedy)
