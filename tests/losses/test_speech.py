"""Tests the losses of a model that speaks: what padding holds, per row and per batch, in float64."""

import jax
import numpy as np

from jaxspeech.losses.speech import duration_loss, mel_loss, symbol_loss

LENGTHS = np.array([4, 2, 3])


def padded(x):
    x = x.copy()
    for row, n in zip(x, LENGTHS, strict=True):
        row[n:] = np.nan
    return x


def test_symbols_and_frames_count_the_same_in_a_batch():
    rng = np.random.default_rng(0)
    found, true = rng.normal(size=(2, 3, 4)).astype(np.float32)
    mels, targets = rng.normal(size=(2, 3, 4, 5)).astype(np.float32)
    durations = rng.integers(0, 9, (3, 4))
    used = np.array([True, True, False])

    @jax.jit
    def run(found, true, mels, targets):
        def losses(found, mels):
            of_row = symbol_loss(found, true, LENGTHS), mel_loss(mels, targets, LENGTHS)
            of_batch = symbol_loss(found, true, LENGTHS, batch=used), mel_loss(mels, targets, LENGTHS, batch=used)
            every = (*of_row, *of_batch, duration_loss(found, durations, LENGTHS))
            return sum(x.sum() for x in every), every

        return jax.value_and_grad(losses, argnums=(0, 1), has_aux=True)(found, mels)

    (_, every), grads = run(padded(found), padded(true), padded(mels), padded(targets))
    real = [slice(n) for n in LENGTHS]
    symbols = [(found[b, n] - true[b, n]) ** 2 for b, n in enumerate(real)]
    frames = [(mels[b, n] - targets[b, n]) ** 2 for b, n in enumerate(real)]
    logs = [(found[b, n] - np.log1p(durations[b, n])) ** 2 for b, n in enumerate(real)]
    for rows, errors in zip((*every[:2], every[4]), (symbols, frames, logs), strict=True):
        np.testing.assert_allclose(rows, [x.mean() for x in errors], rtol=1e-5)
    for rows, errors in zip(every[2:4], (symbols, frames), strict=True):
        np.testing.assert_allclose(rows[used].mean(), np.concatenate(errors[:2]).mean(), rtol=1e-5)
    assert all(np.isfinite(g).all() and not np.any(g[1, 2:]) for g in grads)


def test_mels_of_other_lengths_and_zero_targets():
    targets = np.ones((1, 3, 2), np.float32)
    targets[0, 1, 0] = 0
    short, long = np.full((1, 2, 2), 3, np.float32), np.full((1, 5, 2), 3, np.float32)
    np.testing.assert_allclose(mel_loss(short, targets, np.array([3])), [(3 * 4 + 9 + 2) / 6])
    np.testing.assert_allclose(mel_loss(long, targets, np.array([3]), skip_zeros=True), [4.0])
