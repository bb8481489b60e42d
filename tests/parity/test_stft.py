"""Compares short-time Fourier transforms with NeMo's, in every setting of the reference file."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.features.stft import STFT, istft, stft
from jaxspeech.features.streaming_stft import synthesis_start, synthesise


@pytest.fixture(scope="module")
def reference(refs):
    with np.load(refs / "enh_stft.npz") as arrays:
        return json.loads((refs / "enh_stft.json").read_text()), dict(arrays)


NAMES = {"hop_length": "hop", "center": "centred"}
forward = jax.jit(stft, static_argnums=2)
inverse = jax.jit(istft, static_argnums=2)


def ours(setting):
    return STFT(**{NAMES.get(key, key): value for key, value in setting.items()}, exact_tail=False)


@pytest.mark.parametrize("name", ["a", "b", "c", "d"])
def test_every_setting(reference, name):
    settings, arrays = reference
    setting = ours(settings[name])
    samples, lengths = jnp.asarray(arrays["audio"]), jnp.asarray(arrays["audio_len"], jnp.int32)
    spectra, num_frames = forward(samples, lengths, setting)
    np.testing.assert_array_equal(num_frames, arrays[f"{name}.spec_len"])
    expected = arrays[f"{name}.spec"].transpose(0, 1, 3, 2)
    np.testing.assert_allclose(spectra, expected, atol=1e-5 * np.abs(expected).max())
    back = inverse(jnp.asarray(expected), lengths, setting)
    for row, length in enumerate(arrays[f"{name}.audio_len"]):
        # In NeMo the zero frames of the padding weaken the end of the shorter rows.
        whole = num_frames[row] == num_frames.max()
        end = length if whole else length - setting.fft_length // 2
        np.testing.assert_allclose(back[row, :, :end], arrays[f"{name}.audio"][row, :, :end], atol=3e-6)
    every = jnp.full_like(lengths, samples.shape[2])
    back = inverse(forward(samples, every, setting)[0], every, setting)
    np.testing.assert_allclose(back, arrays[f"{name}.audio_nolen"], atol=3e-6)


def test_a_live_signal(reference):
    settings, arrays = reference
    setting = ours(settings["stream"])._replace(window="hamming")
    spectra = jnp.asarray(arrays["stream.spec"].transpose(0, 1, 3, 2))
    expected = arrays["stream.offline"]
    length = jnp.full(1, setting.num_samples(spectra.shape[2]), jnp.int32)
    np.testing.assert_allclose(inverse(spectra, length, setting), expected, atol=3e-6)
    flush = jnp.zeros((1, 2, 4, setting.num_bins))
    state = synthesis_start((1, 2), setting)._replace(frame=jnp.asarray(0))
    out, _ = synthesise(jnp.concatenate([spectra, flush + 0j], axis=2), state, setting, num_frames=spectra.shape[2])
    np.testing.assert_allclose(out[..., : expected.shape[2]], arrays["stream.streamed"], atol=3e-6)
