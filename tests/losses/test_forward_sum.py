"""Tests the losses of an aligner against an enumeration of all paths, in float64."""

import itertools

import jax
import numpy as np

from jaxspeech.losses.binarization import binarization_loss
from jaxspeech.losses.forward_sum import forward_sum_loss

FRAMES, SYMBOLS = np.array([5, 4, 2, 3]), np.array([3, 2, 3, 0])


def by_definition(scores, num_frames, num_symbols, blank):
    """Minus the logarithm of the probability of all frame labellings that spell 1 .. N, per symbol."""
    logits = np.concatenate([np.full((num_frames, 1), blank), scores[:num_frames, :num_symbols]], 1)
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    total = 0.0
    for path in itertools.product(range(num_symbols + 1), repeat=num_frames):
        if [k for k, _ in itertools.groupby(path) if k] == list(range(1, num_symbols + 1)):
            total += np.prod([probs[t, k] for t, k in enumerate(path)])
    return -np.log(total) / num_symbols


def test_losses_are_those_of_all_paths():
    scores = np.random.default_rng(0).normal(size=(4, 5, 3)).astype(np.float32)
    padded = scores.copy()
    for b in range(4):
        padded[b, FRAMES[b] :], padded[b, :, SYMBOLS[b] :] = np.nan, np.nan

    @jax.jit
    def run(x):
        def total(x):
            losses = forward_sum_loss(x, FRAMES, SYMBOLS, blank_score=-0.5)
            return losses[:2].sum(), losses

        return jax.value_and_grad(total, has_aux=True)(x)

    (_, losses), grads = run(padded)
    expected = [by_definition(scores[b].astype(float), FRAMES[b], SYMBOLS[b], -0.5) for b in range(2)]
    np.testing.assert_allclose(losses[:2], expected, rtol=1e-5)
    assert np.isposinf(losses[2:]).all() and np.isfinite(grads).all() and not np.any(grads[2:])
    assert np.any(grads[1, :4, :2]) and not np.any(grads[1, 4:]) and not np.any(grads[1, :, 2:])


def test_binarization_of_rows_and_of_batches():
    log_probs = np.log(np.random.default_rng(1).random((4, 5, 3))).astype(np.float32)
    path = np.array([[0, 0, 1, 1, 2], [0, 1, 1, 1, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]])
    log_probs[0, 4, 2] = -np.inf  # counts as 1e-12
    each = [np.maximum(log_probs[b, np.arange(n), path[b, :n]], np.log(1e-12)) for b, n in enumerate(FRAMES)]
    log_probs[1, 4] = np.nan
    rows = binarization_loss(log_probs, path, FRAMES)
    np.testing.assert_allclose(rows, [-x.mean() for x in each], rtol=1e-5)
    used = np.array([True, True, False, True])
    shares = binarization_loss(log_probs, path, FRAMES, batch=used)
    whole = np.concatenate([x for x, u in zip(each, used, strict=True) if u])
    np.testing.assert_allclose(np.mean(shares[used]), -whole.mean(), rtol=1e-5)
