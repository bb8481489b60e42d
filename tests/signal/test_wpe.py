"""Dereverberation: against least squares in float64, in any batch, and with gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.signal.wpe import WPE, dereverberated

LENGTHS = jnp.array([25, 40], jnp.int32)
SETTINGS = WPE(taps=3, delay=2, iterations=2)
dereverberate = jax.jit(dereverberated, static_argnums=2)


@pytest.fixture(scope="module")
def spectra():
    rng = np.random.default_rng(0)
    dry = (rng.normal(size=(2, 2, 40, 3)) + 1j * rng.normal(size=(2, 2, 40, 3))).astype(np.complex64)
    for frame in range(2, 40):
        dry[:, :, frame] += 0.6 * dry[:, ::-1, frame - 2]
    beyond = np.arange(40)[:, None] >= np.asarray(LENGTHS)[:, None, None, None]
    return jnp.asarray(np.where(beyond, np.nan, dry).astype(np.complex64))


def least_squares(x, settings):
    """x: [C N] of one bin."""
    channels, frames = x.shape
    lags = range(settings.delay, settings.delay + settings.taps)
    delayed = np.concatenate([np.pad(x, [(0, 0), (lag, 0)])[:, :frames] for lag in lags]).T
    y = x
    for _ in range(settings.iterations):
        source = y if settings.cascaded else x
        if settings.cascaded:
            delayed = np.concatenate([np.pad(y, [(0, 0), (lag, 0)])[:, :frames] for lag in lags]).T
        roots = 1 / np.sqrt((np.abs(y) ** 2).mean(0) + settings.epsilon)[:, None]
        loading = np.sqrt(settings.loading * (np.abs(roots * delayed) ** 2).sum() + settings.epsilon)
        rows = np.concatenate([roots * delayed, loading * np.eye(delayed.shape[1])])
        right = np.concatenate([roots * source.T, np.zeros((delayed.shape[1], channels))])
        y = source - (delayed @ np.linalg.lstsq(rows, right, rcond=None)[0]).T
    return y


@pytest.mark.parametrize("settings", [SETTINGS, SETTINGS._replace(cascaded=True)])
def test_what_is_left_is_what_least_squares_leave(spectra, settings):
    out = np.asarray(dereverberate(spectra, LENGTHS, settings))
    for row, length in enumerate(LENGTHS.tolist()):
        assert not out[row, :, length:].any()
        for bin in range(3):
            expected = least_squares(np.asarray(spectra[row, :, :length, bin], np.complex128), settings)
            np.testing.assert_allclose(out[row, :, :length, bin], expected, atol=2e-5)


def test_few_digits_are_lost_where_the_expected_power_spans_many_powers_of_ten(spectra):
    """One solution in single precision would be wrong by more than 5e-5 of the greatest value."""
    masks = jnp.where(jax.random.uniform(jax.random.key(0), (2, 1, 40, 3)) < 0.5, 1e-4, 1.0)
    settings = WPE(taps=6, delay=1, iterations=1)
    out = dereverberate(spectra, LENGTHS, settings, masks=masks)
    with jax.enable_x64(True):
        exact = dereverberate(spectra.astype(jnp.complex128), LENGTHS, settings, masks=masks.astype(jnp.float64))
        assert exact.dtype == jnp.complex128
    np.testing.assert_allclose(out, exact, atol=5e-5 * np.abs(exact).max())


def test_a_row_alone_is_as_in_a_batch(spectra):
    out = dereverberate(spectra, LENGTHS, SETTINGS)
    np.testing.assert_allclose(out[:1, :, :25], dereverberate(spectra[:1, :, :25], LENGTHS[:1], SETTINGS), atol=1e-5)


def test_gradients_agree_with_differences(spectra):
    settings = WPE(taps=2, delay=1, iterations=1)
    with jax.enable_x64(True):

        @jax.jit
        @jax.value_and_grad
        def loss(inputs):
            out = dereverberated(inputs[0] + 1j * inputs[1], LENGTHS, settings, masks=inputs[2])
            return jnp.sum(jnp.abs(out) ** 4)

        x = jnp.nan_to_num(spectra).astype(jnp.complex128)
        point = (x.real, x.imag, jnp.full((2, 1, 40, 3), 0.5))
        ahead = jax.tree.map(lambda x: 1e-6 * jnp.sin(jnp.arange(x.size)).reshape(x.shape), point)
        above, below = (loss(jax.tree.map(combine, point, ahead))[0] for combine in (jnp.add, jnp.subtract))
        slope = sum(jnp.vdot(x, y) for x, y in zip(loss(point)[1], ahead, strict=True))
        np.testing.assert_allclose(slope, (above - below) / 2, rtol=1e-5)


def test_what_cannot_be_used_is_named(spectra):
    with pytest.raises(ConfigError, match="delay 0"):
        dereverberated(spectra, LENGTHS, WPE(delay=0))
