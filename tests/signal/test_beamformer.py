"""Beamforming by masks: against filters in float64, in any batch, and with gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.signal.beamformer import Beamformer, beamformed

LENGTHS = jnp.array([9, 14], jnp.int32)
BANNED = Beamformer(beta=0.5, reference="max_snr", postfilter="ban", straight_through=True)
beamform = jax.jit(beamformed, static_argnums=3)


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    spectra = (rng.normal(size=(2, 3, 14, 4)) + 1j * rng.normal(size=(2, 3, 14, 4))).astype(np.complex64)
    masks = rng.uniform(size=(2, 1, 14, 4)).astype(np.float32)
    beyond = np.arange(14)[:, None] >= np.asarray(LENGTHS)[:, None, None, None]
    return jnp.where(beyond, np.nan, spectra), jnp.where(beyond, np.nan, masks)


def test_a_filter_is_that_of_its_own_frames(batch):
    """Souden's formula, frame by frame in float64; the padding holds NaN."""
    out = np.asarray(beamform(*batch, LENGTHS, Beamformer()))
    for row, length in enumerate(LENGTHS.tolist()):
        assert not out[row, :, length:].any()
        for bin in range(4):
            x = np.asarray(batch[0][row, :, :length, bin], np.complex128)
            mask = np.asarray(batch[1][row, 0, :length, bin], np.float64)
            speech, noise = ((m * x) @ x.conj().T / m.sum() for m in (mask, 1 - mask))
            noise += (1e-6 * np.trace(noise).real + 1e-8) * np.eye(3)
            ratio = np.linalg.inv(noise) @ speech
            expected = (ratio / np.trace(ratio).real)[:, 0].conj() @ x
            np.testing.assert_allclose(out[row, 0, :length, bin], expected, atol=2e-5)


def test_a_row_alone_is_as_in_a_batch(batch):
    out = beamform(*batch, LENGTHS, BANNED)
    alone = beamform(batch[0][:1, :, :9], batch[1][:1, :, :9], LENGTHS[:1], BANNED)
    np.testing.assert_allclose(out[:1, :, :9], alone, atol=2e-6)
    assert np.all(np.isfinite(out))


def test_gradients_agree_with_differences(batch):
    """In complex128, which the spectra's precision chooses; of the soft reference, as steps have no differences."""
    settings = BANNED._replace(hard=False)

    with jax.enable_x64(True):

        @jax.jit
        @jax.value_and_grad
        def loss(inputs):
            out = beamformed(inputs[0] + 1j * inputs[1], inputs[2], LENGTHS, settings)
            assert out.dtype == jnp.complex128
            return jnp.sum(jnp.abs(out) ** 4)

        spectra, masks = batch[0].astype(jnp.complex128), batch[1].astype(jnp.float64)
        point = tuple(jnp.nan_to_num(x) for x in (spectra.real, spectra.imag, masks))
        ahead = jax.tree.map(lambda x: 1e-6 * jnp.sin(jnp.arange(x.size)).reshape(x.shape), point)
        above, below = (loss(jax.tree.map(combine, point, ahead))[0] for combine in (jnp.add, jnp.subtract))
        slope = sum(jnp.vdot(x, y) for x, y in zip(loss(point)[1], ahead, strict=True))
        np.testing.assert_allclose(slope, (above - below) / 2, rtol=1e-5)


def test_silence_gives_silence_and_finite_gradients(batch):
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(jnp.abs(beamformed(x + 0j, batch[1], LENGTHS, BANNED)) ** 2)))
    assert np.all(np.isfinite(gradient(jnp.zeros(batch[0].shape))))


def test_what_cannot_be_used_is_named(batch):
    for wrong, words in [
        ({"rank": "full"}, "beta 0"),
        ({"reference": 3}, "there are 3 channels"),
        ({"reference": "best"}, "'best'"),
        ({"least_db": 3.0}, "least_db"),
    ]:
        with pytest.raises(ConfigError, match=words):
            beamformed(*batch, LENGTHS, Beamformer(**wrong))
