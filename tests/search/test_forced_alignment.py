"""Tests forced alignment against path enumeration, a float64 Viterbi and the CTC loss, and with padding."""

import itertools
from functools import partial

import jax
import numpy as np
import pytest

from jaxspeech.losses.ctc import ctc_loss
from jaxspeech.search.ctc import ctc_greedy
from jaxspeech.search.forced_alignment import WILDCARD_COST, ForcedAlignment, forced_alignment

BLANK = 3  # in the middle, to detect code that expects it to be last
WIDTH = 6


def random_log_probs(rng: np.random.Generator, *shape: int) -> np.ndarray:
    logits = 3 * rng.standard_normal((*shape, WIDTH))
    return (logits - np.log(np.exp(logits).sum(-1, keepdims=True))).astype(np.float32)


def with_wildcard(log_probs: np.ndarray) -> np.ndarray:
    return np.concatenate([log_probs, log_probs.max(-1, keepdims=True) - WILDCARD_COST], -1)


def random_labels(rng: np.random.Generator, count: int, *, wildcards: bool = False) -> np.ndarray:
    return rng.choice([0, 1, 2, 4, 5] + [WIDTH] * wildcards, count).astype(np.int32)


def align(log_probs: np.ndarray, labels: np.ndarray, **options: int) -> ForcedAlignment:
    """Aligns one utterance; returns results without the batch axis."""
    found = forced_alignment(
        log_probs[None], np.array([len(log_probs)]), labels[None], np.array([len(labels)]), blank_id=BLANK, **options
    )
    return jax.tree.map(lambda x: np.asarray(x)[0], found)


def spells(path: tuple[int, ...]) -> list[int]:
    return [symbol for symbol, _ in itertools.groupby(path) if symbol != BLANK]


def best_of_all(log_probs: np.ndarray, labels: np.ndarray) -> tuple[float, list[tuple[int, int]]]:
    """Enumerates paths in float64; returns the best one's score and the frames of each label in it."""
    table = with_wildcard(log_probs.astype(np.float64))
    symbols = sorted({BLANK, *labels.tolist()})
    paths = [p for p in itertools.product(symbols, repeat=len(table)) if spells(p) == labels.tolist()]
    score, best = max((sum(table[t, s] for t, s in enumerate(path)), path) for path in paths)
    runs, at = [], 0
    for symbol, run in itertools.groupby(best):
        length = len(list(run))
        if symbol != BLANK:
            runs.append((at, at + length))
        at += length
    return score, runs


def viterbi(log_probs: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Runs the textbook Viterbi algorithm over 2 U + 1 states in float64; returns score and state per frame."""
    table = with_wildcard(log_probs.astype(np.float64))
    states = np.full(2 * len(labels) + 1, BLANK)
    states[1::2] = labels
    scores, back = np.full(len(states), -np.inf), []
    scores[:2] = table[0, states[:2]]
    for frame in table[1:]:
        jumps = [scores, np.r_[-np.inf, scores[:-1]], np.r_[-np.inf, -np.inf, scores[:-2]]]
        two_back = np.r_[-1, -1, states[:-2]]
        jumps[2][(states == BLANK) | (states == two_back)] = -np.inf
        back.append(np.argmax(jumps, 0))
        scores = np.max(jumps, 0) + frame[states]
    state = len(states) - 1 - int(scores[-2] > scores[-1])
    score, path = scores[state], [state]
    for choice in reversed(back):
        path.append(path[-1] - choice[path[-1]])
    return score, np.array(path[::-1])


@pytest.mark.parametrize("seed", range(12))
def test_the_best_of_all_paths(seed: int) -> None:
    rng = np.random.default_rng(seed)
    log_probs, labels = random_log_probs(rng, 7), random_labels(rng, 3, wildcards=seed % 2 == 0)
    score, runs = best_of_all(log_probs, labels)
    found = align(log_probs, labels)
    np.testing.assert_allclose(found.score, score, rtol=1e-6)
    assert list(zip(found.starts, found.ends, strict=True)) == runs
    expected = [np.exp(with_wildcard(log_probs)[a:b, s]).mean() for (a, b), s in zip(runs, labels, strict=True)]
    np.testing.assert_allclose(found.confidence, expected, rtol=1e-5)


@pytest.mark.parametrize(("block_frames", "num_labels"), [(1, 40), (7, 40), (32, 40), (100, 40), (32, 3)])
def test_blocks_change_nothing(block_frames: int, num_labels: int) -> None:
    rng = np.random.default_rng(block_frames)
    log_probs, labels = random_log_probs(rng, 100), random_labels(rng, num_labels, wildcards=True)
    score, path = viterbi(log_probs, labels)
    found = align(log_probs, labels, block_frames=block_frames)
    np.testing.assert_allclose(found.score, score, rtol=1e-5)
    for u in range(num_labels):
        frames = np.flatnonzero(path == 2 * u + 1)
        assert (found.starts[u], found.ends[u]) == (frames[0], frames[-1] + 1)


def test_long_recordings_stay_precise() -> None:
    """For sums of 1e5, float32 has two decimal places, and would choose other paths than float64."""
    rng = np.random.default_rng(0)
    log_probs, labels = random_log_probs(rng, 20_000), random_labels(rng, 300)
    score, path = viterbi(log_probs, labels)
    found = align(log_probs, labels)
    assert score < -5e4
    np.testing.assert_allclose(found.score, score, rtol=1e-5)
    starts = [np.flatnonzero(path == 2 * u + 1)[0] for u in range(300)]
    np.testing.assert_array_equal(found.starts, starts)


def test_rows_of_a_batch_equal_single_rows_whatever_the_padding_holds() -> None:
    rng = np.random.default_rng(1)
    num_frames, num_labels = np.array([50, 1, 33, 9]), np.array([12, 1, 7, 0])
    log_probs, labels = random_log_probs(rng, 4, 50), np.stack([random_labels(rng, 12) for _ in range(4)])
    for row in range(4):
        log_probs[row, num_frames[row] :] = [np.nan, np.inf, -np.inf, 1e30][row]
        labels[row, num_labels[row] :] = [-7, 10**6, BLANK, WIDTH + 1][row]
    found = forced_alignment(log_probs, num_frames, labels, num_labels, blank_id=BLANK, block_frames=16)
    for row, (t, u) in enumerate(zip(num_frames, num_labels, strict=True)):
        if u:
            score, path = viterbi(log_probs[row, :t], labels[row, :u])
            starts = [np.flatnonzero(path == 2 * i + 1)[0] for i in range(u)]
            np.testing.assert_array_equal(found.starts[row, :u], starts)
        else:
            score = log_probs[row, :t, BLANK].sum()
        np.testing.assert_allclose(found.score[row], score, rtol=1e-5)
        assert not found.ends[row, u:].any()
    clean = np.where(np.arange(50)[:, None] < num_frames[2], log_probs[2], 0)[None]
    alone = forced_alignment(clean, num_frames[2:3], labels[2:3], num_labels[2:3], blank_id=BLANK)
    for batched, single in zip(found, alone, strict=True):
        np.testing.assert_allclose(batched[2], single[0], rtol=1e-6)


def test_infeasible_texts() -> None:
    """Texts are infeasible with too many labels, equal neighbours without a frame between, or a forbidden symbol."""
    rng = np.random.default_rng(2)
    log_probs = random_log_probs(rng, 4)
    fits, twice, long = np.array([0, 1, 0, 1], "i"), np.array([0, 1, 1, 0], "i"), np.array([0, 1, 0, 1, 2], "i")
    assert align(log_probs, fits).starts.tolist() == [0, 1, 2, 3]
    impossible = log_probs.copy()
    impossible[:, 0] = -np.inf
    for found in (align(log_probs, twice), align(log_probs, long), align(impossible, fits)):
        assert found.score == -np.inf
        assert not found.starts.any() and not found.ends.any() and not found.confidence.any()
    assert align(log_probs[:0], fits).score == -np.inf
    losses = ctc_loss(log_probs[None], np.array([4]), twice[None], np.array([4]), blank_id=BLANK)
    assert losses[0] == np.inf  # the CTC loss has no path either


def test_the_greedy_path_is_the_alignment_of_its_own_tokens() -> None:
    rng = np.random.default_rng(3)
    log_probs = random_log_probs(rng, 1, 60)
    heard = jax.tree.map(lambda x: np.asarray(x)[0], ctc_greedy(log_probs, np.array([60]), blank_id=BLANK))
    n = heard.num_tokens
    found = align(log_probs[0], heard.ids[:n])
    np.testing.assert_allclose(found.score, log_probs[0].max(-1).sum(), rtol=1e-6)
    np.testing.assert_array_equal(found.starts, heard.starts[:n])
    np.testing.assert_array_equal(found.ends, heard.ends[:n])
    np.testing.assert_allclose(found.confidence, heard.confidence[:n], rtol=1e-5)


def test_the_score_is_at_most_the_sum_over_all_paths() -> None:
    rng = np.random.default_rng(4)
    log_probs, labels = random_log_probs(rng, 1, 30), random_labels(rng, 8)[None]
    lengths = np.array([30]), labels, np.array([8])
    loss = partial(ctc_loss, blank_id=BLANK)(log_probs, *lengths)[0]
    score = forced_alignment(log_probs, *lengths, blank_id=BLANK).score[0]
    assert score <= -loss <= score + 30 * np.log(3)


def test_memory_does_not_grow_with_the_lattice() -> None:
    """45,000 frames (an hour) and 15,000 labels are 1.35e9 states; one byte per state would be 1.3 GiB."""
    shapes = ((1, 45_056, 129), np.float32), ((1,), np.int32), ((1, 15_000), np.int32), ((1,), np.int32)
    arguments = [jax.ShapeDtypeStruct(*shape) for shape in shapes]
    analysis = forced_alignment.lower(*arguments, blank_id=128).compile().memory_analysis()
    assert analysis.temp_size_in_bytes < 32 << 20
