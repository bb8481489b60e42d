"""Guided source separation: finds directions, in any batch, and with gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.signal.gss import guided_masks

LENGTHS = jnp.array([30, 48], jnp.int32)
separate = jax.jit(guided_masks, static_argnames="iterations")


@pytest.fixture(scope="module")
def scene():
    """Two sources from two directions, each frame and bin of one of them: spectra, activity, and whose it is."""
    rng = np.random.default_rng(0)
    steering = rng.normal(size=(2, 3, 4)) + 1j * rng.normal(size=(2, 3, 4))
    activity = np.ones((2, 2, 48), np.float32)
    activity[:, 0, :8] = activity[:, 1, 8:16] = 0
    whose = rng.integers(2, size=(2, 48, 4))
    whose[:, :8], whose[:, 8:16] = 1, 0
    signal = rng.normal(size=(2, 48, 4)) + 1j * rng.normal(size=(2, 48, 4))
    spectra = np.einsum("bnf,bnfc->bcnf", signal, steering.transpose(0, 2, 1)[whose, np.arange(4)])
    noise = rng.normal(size=spectra.shape) + 1j * rng.normal(size=spectra.shape)
    beyond = np.arange(48) >= np.asarray(LENGTHS)[:, None, None]
    spectra = np.where(beyond[..., None], np.nan, spectra + 0.05 * noise).astype(np.complex64)
    return jnp.asarray(spectra), jnp.asarray(np.where(beyond, np.nan, activity)), whose


def test_masks_say_whose_each_frame_is(scene):
    spectra, activity, whose = scene
    masks = np.asarray(separate(spectra, activity, LENGTHS, iterations=8))
    for row, length in enumerate(LENGTHS.tolist()):
        assert not masks[row, :, length:].any()
        np.testing.assert_allclose(masks[row, :, :length].sum(0), 1, atol=1e-5)
        right = masks[row, :, :length].argmax(0) == whose[row, :length]
        assert right.mean() > 0.97
    assert not masks[:, 0, :8].any()


def test_a_row_alone_is_as_in_a_batch(scene):
    spectra, activity, _ = scene
    masks = separate(spectra, activity, LENGTHS, iterations=3)
    alone = separate(spectra[:1, :, :30], activity[:1, :, :30], LENGTHS[:1], iterations=3)
    np.testing.assert_allclose(masks[:1, :, :30], alone, atol=1e-4)


def test_gradients_agree_with_differences_and_are_finite_at_silence(scene):
    spectra, activity, _ = scene
    with jax.enable_x64(True):

        @jax.jit
        @jax.value_and_grad
        def loss(inputs):
            masks = guided_masks(inputs[0] + 1j * inputs[1], inputs[2], LENGTHS, iterations=2)
            return jnp.sum(masks**2 * jnp.cos(jnp.arange(masks.size)).reshape(masks.shape))

        x = jnp.nan_to_num(spectra).astype(jnp.complex128)
        point = (x.real, x.imag, jnp.clip(jnp.nan_to_num(activity).astype(jnp.float64), 0.2, 0.8))
        ahead = jax.tree.map(lambda x: 1e-6 * jnp.sin(jnp.arange(x.size)).reshape(x.shape), point)
        above, below = (loss(jax.tree.map(combine, point, ahead))[0] for combine in (jnp.add, jnp.subtract))
        slope = sum(jnp.vdot(x, y) for x, y in zip(loss(point)[1], ahead, strict=True))
        np.testing.assert_allclose(slope, (above - below) / 2, rtol=1e-4)
        # All eigenvalues are equal there.
        silent = loss((jnp.zeros_like(x.real), jnp.zeros_like(x.real), point[2]))
        assert all(np.all(np.isfinite(gradient)) for gradient in silent[1])


def test_one_source_needs_another(scene):
    with pytest.raises(ConfigError, match="always active"):
        guided_masks(scene[0], scene[1][:, :1], LENGTHS)
