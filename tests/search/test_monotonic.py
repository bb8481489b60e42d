"""Tests the monotonic path against an enumeration of all paths."""

import itertools

import jax.numpy as jnp
import numpy as np

from jaxspeech.search.monotonic import has_path, monotonic_path


def best_of_all(scores):
    """The durations of the best path, by trying all of them."""
    frames, symbols = scores.shape
    ends = [(0, *cut, frames) for cut in itertools.combinations(range(1, frames), symbols - 1)]
    totals = [sum(scores[a:b, n].sum() for n, (a, b) in enumerate(itertools.pairwise(cut))) for cut in ends]
    return np.diff(ends[int(np.argmax(totals))])


def test_the_best_of_all_paths_whatever_padding_holds():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(6, 8, 5)).astype(np.float32)
    num_frames, num_symbols = np.array([8, 6, 5, 4, 1, 7]), np.array([5, 3, 5, 1, 1, 2])
    whole = scores.copy()
    for b, (t, n) in enumerate(zip(num_frames, num_symbols, strict=True)):
        whole[b, t:], whole[b, :, n:] = np.nan, np.nan
    path = monotonic_path(whole, num_frames, num_symbols)
    for b, (t, n) in enumerate(zip(num_frames, num_symbols, strict=True)):
        durations = best_of_all(scores[b, :t, :n].astype(np.float64))
        np.testing.assert_array_equal(path.durations[b], np.pad(durations, (0, 5 - n)))
        np.testing.assert_array_equal(path.symbols[b], np.pad(np.repeat(np.arange(n), durations), (0, 8 - t)))


def test_impossible_symbols_short_audio_and_ties():
    # A constant of a frame changes nothing, however large.
    scores = jnp.zeros((5, 8, 5)).at[0, :, 0].set(-jnp.inf).at[1].add(-1e6)
    num_frames, num_symbols = np.array([8, 8, 3, 0, 4]), np.array([3, 3, 5, 2, 0])
    path = monotonic_path(scores, num_frames, num_symbols)
    # Of equal paths, the one that reaches the later symbols last.
    expected = [[6, 1, 1, 0, 0], [6, 1, 1, 0, 0], [0, 0, 1, 1, 1], [0] * 5, [0] * 5]
    np.testing.assert_array_equal(path.durations, expected)
    np.testing.assert_array_equal(has_path(num_frames, num_symbols), [True, True, False, False, False])
