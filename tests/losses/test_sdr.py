"""Tests signal-to-distortion ratios against their definitions in float64, with a dense solver for the filter."""

from functools import partial

import jax
import numpy as np
import pytest
from scipy.linalg import solve_toeplitz as dense_solution
from scipy.signal import lfilter

from jaxspeech.errors import ConfigError
from jaxspeech.losses.sdr import check_sdr_options, sdr_loss, signal_to_distortion
from jaxspeech.losses.toeplitz import solve_toeplitz

SAMPLES = np.array([600, 411])
TAPS = 24
FORMS = (
    {},
    {"scale_invariant": True, "remove_mean": False},
    {"convolution_invariant": True, "convolution_filter_length": TAPS, "sdr_max": 25},
)


def drawn():
    """Estimates and targets [2 2 600]: coloured noise, filtered, with noise and an offset, at two levels."""
    rng = np.random.default_rng(0)
    targets = np.asarray(lfilter([1], [1, -1.6, 0.8], rng.normal(size=(2, 2, 600)))) * 0.05 + 0.02
    estimates = lfilter([0.6, 0.3, 0, -0.2], [1], targets) + 0.01 * rng.normal(size=targets.shape)
    scale = np.array([1, 0.1])[:, None, None]
    return (estimates * scale).astype(np.float32), (targets * scale).astype(np.float32)


def by_definition(e, t, *, remove_mean=True, scale_invariant=False, convolution_invariant=False, sdr_max=None, **_):
    e, t = e.astype(np.float64), t.astype(np.float64)
    if remove_mean:
        e, t = e - e.mean(), t - t.mean()
    if scale_invariant:
        t = t * (e * t).mean() / ((t * t).mean() + 1e-8)
    if convolution_invariant:
        r, b = (np.array([t[: len(t) - k] @ x[k:] for k in range(TAPS)]) for x in (t, e))
        r[0] = r[0] * (1 + 1e-6) + 1e-8
        t = np.asarray(lfilter(dense_solution(r, b), [1], t))
    power, distortion = (t * t).mean(), ((e - t) ** 2).mean()
    if sdr_max is not None:
        distortion += 10 ** (-sdr_max / 10) * power
    return 10 * np.log10(power / (distortion + 1e-8) + 1e-8)


@pytest.fixture(scope="module")
def programs():
    """Each form of the loss as one program: ratios, losses, gradients of the finite losses."""

    def run(estimates, targets, num_samples, options):
        def total(x):
            losses = sdr_loss(x, targets, num_samples, **options)
            return jax.numpy.where(jax.numpy.isfinite(losses), losses, 0).sum(), losses

        (_, losses), grads = jax.value_and_grad(total, has_aux=True)(estimates)
        return signal_to_distortion(estimates, targets, num_samples, **options), losses, grads

    return [jax.jit(partial(run, options=options)) for options in FORMS]


@pytest.mark.parametrize("form", range(len(FORMS)))
def test_ratios_equal_their_definition_whatever_padding_holds(programs, form):
    estimates, targets = drawn()
    beyond = np.arange(600) >= SAMPLES[:, None, None]
    spoiled = np.where(beyond, np.nan, estimates), np.where(beyond, np.nan, targets)
    ratios, losses, grads = programs[form](*spoiled, SAMPLES)
    expected = [
        [by_definition(e[:n], t[:n], **FORMS[form]) for e, t in zip(*row, strict=True)]
        for n, row in zip(SAMPLES, zip(estimates, targets, strict=True), strict=True)
    ]
    np.testing.assert_allclose(ratios, expected, atol=2e-4)
    np.testing.assert_allclose(losses, -np.mean(expected, axis=1), atol=2e-4)
    assert np.isfinite(grads).all() and not np.asarray(grads)[np.broadcast_to(beyond, grads.shape)].any()
    # The gradient along a direction, by differences in float64.
    direction = np.random.default_rng(1).normal(size=600) * 1e-5
    near = [by_definition((estimates[1, 0] + s * direction)[:411], targets[1, 0, :411], **FORMS[form]) for s in (-1, 1)]
    np.testing.assert_allclose(np.sum(grads[1, 0] * direction), -(near[1] - near[0]) / 4, rtol=2e-3)


@pytest.mark.parametrize("form", range(len(FORMS)))
def test_nothing_is_learned_from_silence(programs, form):
    estimates, targets = drawn()
    targets[0], targets[1, 1] = 0, 0
    estimates[1, 0] = 0
    ratios, losses, grads = programs[form](estimates, targets, SAMPLES)
    assert np.isposinf(losses[0]) and not np.asarray(grads)[0].any()
    # The other row learns from its audible channel alone, also where the estimate is silent.
    np.testing.assert_allclose(losses[1], -ratios[1, 0], rtol=1e-6)
    assert np.isfinite(ratios).all() and np.isfinite(grads).all() and not np.asarray(grads)[1, 1].any()
    assert np.isposinf(programs[form](estimates, targets, SAMPLES * 0)[1]).all()


def test_systems_that_are_nearly_singular_are_solved():
    """Of a tone, and of noise without high frequencies, whose matrices have conditions of 1e6 and more."""
    size, lags = 64, np.arange(64)
    columns = np.stack([np.cos(0.3 * lags), np.sinc(0.2 * lags), 0.9**lags, lags == 0])
    columns[:, 0] += 1e-5
    columns *= np.array([1, 1e-7, 1e7, 3])[:, None]
    right = np.einsum(
        "bij,bj->bi", columns[:, abs(lags[:, None] - lags)], np.random.default_rng(0).normal(size=(4, size))
    )
    solve = jax.jit(solve_toeplitz)
    found = np.asarray(solve(columns, right), np.float64)
    for column, b, x in zip(columns, right, found, strict=True):
        exact = dense_solution(column, b)
        # What counts for a ratio is the error's energy, relative to the solution's.
        error = x - exact
        matrix = column[abs(lags[:, None] - lags)]
        assert error @ matrix @ error < 1e-6 * (exact @ matrix @ exact)
    assert not solve(columns, right * 0).any()


def test_options_that_cannot_be_are_named():
    check_sdr_options(True, False, 512, [0.25, 0.75])
    for options, message in (
        ((True, True, 512, None), "exclude one another"),
        ((False, True, 0, None), "convolution_filter_length is 0"),
        ((False, False, 512, [0.5, 0.6]), "must be positive and sum to 1"),
        ((False, False, 512, [1.5, -0.5]), "must be positive and sum to 1"),
    ):
        with pytest.raises(ConfigError, match=message):
            check_sdr_options(*options)
