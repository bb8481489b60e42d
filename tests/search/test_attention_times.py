"""Frames of tokens from attention: planted weights, and the scores against plain NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.search.attention_times import median_frames, token_frames, token_scores

RNG = np.random.default_rng(0)


def test_scores_are_those_of_whisper_s_method_whatever_the_padding_holds():
    weights = RNG.dirichlet(np.ones(9), (3, 6)).astype(np.float32)  # three heads, six tokens, nine frames
    spoilt = np.where((np.arange(6) < 4)[:, None] & (np.arange(9) < 7), weights, np.nan)
    found = jax.jit(lambda w: token_scores(w, np.int32(4), np.int32(7), median=3))(spoilt)
    real = weights[:, :4, :7].astype(np.float64)
    scores = (real - real.mean(1, keepdims=True)) / real.std(1, keepdims=True)
    near = np.pad(scores, ((0, 0), (0, 0), (1, 1)), mode="edge")
    expected = np.median(np.stack([near[..., i : i + 7] for i in range(3)]), 0).mean(0)
    np.testing.assert_allclose(found[:4, :7], expected, atol=1e-5)


@pytest.mark.parametrize(("milliseconds", "frames"), [(20, 7), (40, 3), (80, 1), (160, 1)])
def test_the_median_is_over_about_as_long_as_in_whisper(milliseconds, frames):
    assert median_frames(milliseconds / 1000) == frames


def scores_of(weights):
    """The scores of all tokens in all frames."""
    return np.asarray(token_scores(jnp.asarray(weights), *np.int32(weights.shape[1:])))


def planted(spans, num_frames):
    """Weights of tokens that look at their frames, and a little elsewhere."""
    weights = np.full((len(spans), num_frames), 0.01)
    for row, (start, end) in zip(weights, spans, strict=True):
        row[start:end] = 1
    return weights / weights.sum(1, keepdims=True)


def test_each_token_gets_the_frames_that_it_looks_at_and_no_silence():
    spans = [(3, 5), (5, 6), (9, 12), (12, 13), (19, 20)]  # silence at the beginning, and between some
    weights = planted(spans, 20)
    starts, ends = token_frames(scores_of(weights[None]), weights)
    assert list(zip(starts, ends, strict=True)) == spans


def test_tokens_that_share_a_frame_divide_it():
    weights = planted([(0, 1), (1, 2), (1, 2), (1, 2), (3, 4)], 4)
    starts, ends = token_frames(scores_of(weights[None]), weights)
    np.testing.assert_allclose(starts, [0, 1, 4 / 3, 5 / 3, 3], atol=1e-6)
    np.testing.assert_allclose(ends, [1, 4 / 3, 5 / 3, 2, 4], atol=1e-6)


@pytest.mark.parametrize("size", [(1, 6), (7, 1), (9, 4), (5, 40)])
def test_whatever_the_weights_times_never_go_back(size):
    weights = RNG.dirichlet(np.full(size[1], 0.1), (4, size[0]))
    scores = scores_of(weights)
    starts, ends = token_frames(scores, weights.mean(0))
    assert (starts < ends).all() and (ends[:-1] <= starts[1:] + 1e-6).all()
    assert starts[0] >= 0 and ends[-1] <= size[1]
