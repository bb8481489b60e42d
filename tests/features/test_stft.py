"""Short-time Fourier transforms: against transforms frame by frame in float64, and back to every sample."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.features.stft import STFT, istft, power_of, stft
from jaxspeech.features.streaming_stft import analyse, analysis_start, delay, lead_in, synthesis_start, synthesise
from jaxspeech.features.window import centred_window

# The hop divides neither the length of the transform nor half of it.
SETTINGS = STFT(fft_length=30, hop=8, magnitude_power=0.5, scale=0.33)
UNCENTRED = STFT(16, 5, window="hamming", centred=False)
LENGTHS = jnp.array([61, 100, 7, 0], jnp.int32)
forward = jax.jit(stft, static_argnums=2)
inverse = jax.jit(istft, static_argnums=2, static_argnames="size")


@pytest.fixture(scope="module")
def samples():
    rows = np.random.default_rng(0).normal(size=(4, 2, 101)).astype(np.float32)
    rows[(np.arange(101) >= np.asarray(LENGTHS)[:, None, None]).repeat(2, 1)] = np.nan
    return jnp.asarray(rows)


def frame_by_frame(signal, settings):
    window = centred_window(settings.window, settings.fft_length, size=settings.fft_length, periodic=True)
    padded = np.pad(signal.astype(np.float64), (settings.offset, 2 * settings.fft_length))
    starts = settings.hop * np.arange(settings.num_frames(len(signal)))
    spectra = np.fft.rfft([padded[start : start + settings.fft_length] * window for start in starts])
    return settings.scale * np.abs(spectra) ** settings.magnitude_power * np.exp(1j * np.angle(spectra))


@pytest.mark.parametrize("settings", [SETTINGS, UNCENTRED])
def test_each_row_has_the_frames_of_its_own_samples_and_all_samples_come_back(samples, settings):
    spectra, num_frames = forward(samples, LENGTHS, settings)
    for row, length in enumerate(LENGTHS.tolist()):
        expected = frame_by_frame(np.asarray(samples[row, 1, :length]), settings)
        np.testing.assert_allclose(spectra[row, 1, : num_frames[row]], expected, atol=2e-6)
        assert num_frames[row] == len(expected)
        assert not spectra[row, :, len(expected) :].any()
    beyond = np.arange(spectra.shape[2])[:, None] >= num_frames[:, None, None, None]
    back = inverse(jnp.where(beyond, np.nan, spectra), LENGTHS, settings, size=101)
    np.testing.assert_allclose(back, np.nan_to_num(samples), atol=2e-5)


def test_a_row_alone_is_inverted_as_in_a_batch(samples):
    spectra, num_frames = forward(samples, LENGTHS, SETTINGS)
    changed = spectra * np.exp(1j * np.arange(spectra.shape[2])[:, None]).astype(np.complex64)
    alone = inverse(changed[:1, :, : num_frames[0]], LENGTHS[:1], SETTINGS, size=61)
    np.testing.assert_allclose(inverse(changed, LENGTHS, SETTINGS, size=101)[:1, :, :61], alone, atol=1e-6)


def test_gradients_are_finite_at_silence_and_agree_with_differences():
    """In float64, which the transforms keep."""

    def loss(x):
        spectra, _ = stft(x, jnp.asarray(40), SETTINGS)
        return jnp.sum(istft(spectra[..., ::-1, :], jnp.asarray(40), SETTINGS) ** 2)

    with jax.enable_x64(True):
        grad = jax.jit(jax.value_and_grad(loss))
        assert np.all(np.isfinite(grad(jnp.zeros(40))[1]))
        # Some frames are silent.
        x = jnp.where(jnp.arange(40) < 10, jax.random.normal(jax.random.key(0), (40,)), 0)
        ahead = 1e-5 * x[::-1].at[20:].set(0)
        differences = (grad(x + ahead)[0] - grad(x - ahead)[0]) / 2
        np.testing.assert_allclose(jnp.sum(grad(x)[1] * ahead), differences, rtol=1e-6)
        assert jax.grad(lambda c: jnp.abs(power_of(c, 0.5)))(0j) == 0


@partial(jax.jit, static_argnums=4)
def live(chunks, factors, states, num_frames, settings):
    """Chunk after chunk, with each frame times its factor."""

    def step(states, inputs):
        analysis, synthesis = states
        spectra, analysis = analyse(inputs[0], analysis, settings)
        out, synthesis = synthesise(spectra * inputs[1][:, None], synthesis, settings, num_frames=num_frames)
        return (analysis, synthesis), (spectra, out)

    return jax.lax.scan(step, states, (chunks, factors))[1]


@pytest.mark.parametrize("settings", [SETTINGS, STFT(16, 4), UNCENTRED])
def test_a_live_signal_has_the_same_frames_and_samples(samples, settings):
    hop, length, lead = settings.hop, 61, lead_in(settings)
    offline, num_frames = forward(samples[:1, :, :length], LENGTHS[:1], settings)
    # Zeros after the end drive the last samples out.
    chunks = -(-(length + delay(settings)) // (2 * hop))
    fed = jnp.pad(samples[0, :, :length], [(0, 0), (0, chunks * 2 * hop - length)]).reshape(2, chunks, 2 * hop)
    factors = np.random.default_rng(0).normal(size=2 * chunks).astype(np.float32)
    states = analysis_start((2,), settings), synthesis_start((2,), settings)
    spectra, out = live(fed.swapaxes(0, 1), factors.reshape(chunks, 2), states, num_frames[0], settings)
    spectra = spectra.swapaxes(0, 1).reshape(2, 2 * chunks, -1)[:, lead : lead + num_frames[0]]
    np.testing.assert_allclose(spectra, offline[0, :, : spectra.shape[1]], atol=1e-6)
    factors = np.pad(factors[lead : lead + num_frames[0]], (0, max(num_frames[0] + lead - 2 * chunks, 0)))
    expected = inverse(offline * factors[:, None], LENGTHS[:1], settings, size=length)
    back = out.swapaxes(0, 1).reshape(2, -1)[:, delay(settings) :][:, :length]
    np.testing.assert_allclose(back, expected[0], atol=2e-5)


def test_what_cannot_be_used_is_named(samples):
    for wrong, words in [({"hop": 600}, "stft.hop is 600"), ({"fft_length": 511}, "even"), ({"window": "x"}, "hann")]:
        with pytest.raises(ConfigError, match=words):
            stft(samples, LENGTHS, STFT(**wrong))
