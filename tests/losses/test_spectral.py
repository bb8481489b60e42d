"""Tests distances of signals and spectra against NumPy in float64, one signal at a time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import get_window

from jaxspeech.errors import ConfigError
from jaxspeech.losses.channels import channel_mean, check_weights
from jaxspeech.losses.spectral import check_resolutions, mae_loss, mse_loss, stft_loss

FRAMES = np.array([7, 4, 0])
SAMPLES = np.array([300, 161, 0])
RESOLUTIONS = ((32, 10, 24), (64, 16, 63))
WEIGHTS = (0.75, 0.25)


def spectra(seed):
    parts = np.random.default_rng(seed).normal(size=(2, 3, 2, 7, 5)).astype(np.float32)
    return parts[0] + 1j * parts[1]


@pytest.mark.parametrize(("loss", "power"), [(mse_loss, 2), (mae_loss, 1)])
def test_distances_of_spectra(loss, power):
    estimates, targets = spectra(0), spectra(1)
    estimates[0, 0, 0, 0] = targets[0, 0, 0, 0]
    beyond = np.arange(7)[:, None] >= FRAMES[:, None, None, None]

    @jax.jit
    def run(x, y):
        def total(x):
            losses = loss(x, y, FRAMES, weight=WEIGHTS)
            return losses[:2].sum(), losses

        return jax.value_and_grad(total, has_aux=True)(x)

    (_, losses), grads = run(np.where(beyond, np.nan, estimates), np.where(beyond, np.nan, targets))
    expected = [
        sum(
            w * np.mean(np.abs((e - t).astype(np.complex128)) ** power)
            for w, e, t in zip(WEIGHTS, estimates[b, :, :n], targets[b, :, :n], strict=True)
        )
        for b, n in enumerate(FRAMES[:2])
    ]
    np.testing.assert_allclose(losses[:2], expected, rtol=1e-6)
    # The magnitude's gradient at 0, too.
    assert (
        np.isposinf(losses[2])
        and np.isfinite(grads).all()
        and np.asarray(grads)[:2][~np.broadcast_to(beyond, grads.shape)[:2]].any()
    )


def by_definition(e, t):
    total = 0.0
    for size, hop, width in RESOLUTIONS:
        window = get_window("hann", width)
        padded = [np.pad(x.astype(np.float64), (width // 2, width)) for x in (e, t)]
        both = [
            np.sqrt(
                np.maximum(
                    1e-7, [np.abs(np.fft.rfft(window * x[i : i + width], size)) ** 2 for i in range(0, len(e) + 1, hop)]
                )
            )
            for x in padded
        ]
        total += np.linalg.norm(both[1] - both[0]) / np.linalg.norm(both[1])
        total += np.abs(np.log(both[1]) - np.log(both[0])).mean()
    return total / len(RESOLUTIONS)


def test_spectral_convergence_and_log_magnitudes_of_all_resolutions():
    rng = np.random.default_rng(0)
    targets = rng.normal(size=(3, 2, 300)).astype(np.float32)
    estimates = targets + rng.normal(size=targets.shape).astype(np.float32)
    beyond = np.arange(300) >= SAMPLES[:, None, None]

    @jax.jit
    def run(x, y):
        return jax.value_and_grad(
            lambda x: ((losses := stft_loss(x, y, SAMPLES, resolutions=RESOLUTIONS, weight=WEIGHTS))[:2].sum(), losses),
            has_aux=True,
        )(x)

    (_, losses), grads = run(np.where(beyond, np.nan, estimates), np.where(beyond, np.nan, targets))
    expected = [
        np.dot(WEIGHTS, [by_definition(estimates[b, m, :n], targets[b, m, :n]) for m in range(2)])
        for b, n in enumerate(SAMPLES[:2])
    ]
    np.testing.assert_allclose(losses[:2], expected, rtol=1e-5)
    assert np.isposinf(losses[2]) and np.isfinite(grads).all()
    # Equal signals, and silence.
    (_, losses), grads = run(targets * (np.arange(3) > 0)[:, None, None], targets * (np.arange(3) > 0)[:, None, None])
    assert (losses[:2] < 0.1).all() and np.isfinite(grads).all()


def test_options_that_cannot_be_are_named():
    for call, message in (
        (lambda: check_resolutions(()), "resolutions is empty"),
        (lambda: check_resolutions([(512, 100, 600)]), r"resolutions has \(512, 100, 600\)"),
        (lambda: check_resolutions([(512, 0, 256)]), r"resolutions has \(512, 0, 256\)"),
        (lambda: check_weights([0.5, 0.6]), "must be positive and sum to 1"),
        (lambda: channel_mean(jnp.zeros((1, 3)), [0.5, 0.5]), "weight has 2 numbers, but there are 3 channels"),
    ):
        with pytest.raises(ConfigError, match=message):
            call()
