"""A model of one channel as a beamformer: what it finds in each microphone combines them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.forms.beamforming import beamforming
from jaxspeech.tasks.kinds import Enhancement

RATE, SIZE, LENGTHS = 8000, 8000, np.array([8000, 6000])


def heard(rng, num_samples):
    """White speech and noise at three microphones, from two directions: delayed by some samples."""
    speech, noise = rng.normal(size=(2, num_samples + 20)).astype(np.float32)
    speech *= 1 + np.sin(np.arange(num_samples + 20) / 500)
    return [
        np.stack([x[20 - d : 20 - d + num_samples] for d in delays])
        for x, delays in ((speech, (0, 3, 5)), (noise, (0, 9, 2)))
    ]


def half(variables, samples, num_samples, peak=None):
    """A model that removes half of the noise, and scales by the peak if there is one."""
    del num_samples
    return samples - 0.5 * variables["noise"] + (0 if peak is None else 0 * peak[:, None, None])


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    speech, noise = np.zeros((2, 2, 3, SIZE), np.float32)
    for row, length in enumerate(LENGTHS):
        speech[row, :, :length], noise[row, :, :length] = heard(rng, length)
    return speech, noise


def ratio_db(found, speech):
    return 10 * np.log10((speech**2).sum() / ((np.asarray(found) - speech) ** 2).sum())


enhance = jax.jit(beamforming(Enhancement(RATE, 1, half, scaled=True)).enhance)


def test_noise_from_another_direction_is_removed_and_the_speech_stays(rows):
    """The model alone gains 6 dB."""
    speech, noise = rows
    found = enhance({"noise": noise.reshape(6, 1, SIZE)}, speech + noise, LENGTHS, peak=jnp.ones(2))
    assert found.shape == (2, 1, SIZE)
    for row, length in enumerate(LENGTHS):
        before = ratio_db((speech + noise)[row, 0], speech[row, 0])
        assert ratio_db(found[row, 0], speech[row, 0]) > before + 10
        assert not np.any(found[row, 0, length:])


def test_a_row_depends_neither_on_the_others_nor_on_the_padding(rows):
    speech, noise = rows
    mixed = np.where(np.arange(SIZE) < LENGTHS[:, None, None], speech + noise, np.nan)
    both = enhance({"noise": noise.reshape(6, 1, SIZE)}, mixed, LENGTHS)
    alone = enhance({"noise": noise[1].reshape(3, 1, SIZE)}, (speech + noise)[1:], LENGTHS[1:])
    # The noise comes from one direction, so its covariance is nearly singular and magnifies the rounding of float32,
    # which depends on the batch and the processor: by up to 0.0013 so far.
    np.testing.assert_allclose(both[1:], alone, atol=5e-3)


def test_one_microphone_and_a_recording_without_noise_are_as_they_were(rows):
    speech, noise = rows
    one = enhance({"noise": noise[:, :1]}, (speech + noise)[:, :1], LENGTHS)
    np.testing.assert_allclose(one, (speech + 0.5 * noise)[:, :1], atol=1e-5)
    clean = enhance({"noise": 1e-2 * noise.reshape(6, 1, SIZE)}, speech + 1e-2 * noise, LENGTHS)
    np.testing.assert_allclose(clean[:, 0], (speech + 1e-2 * noise)[:, 0], atol=1e-3)


def test_a_model_of_several_channels_needs_no_beamformer():
    with pytest.raises(ConfigError, match="takes all channels together already"):
        beamforming(Enhancement(RATE, None, half))
