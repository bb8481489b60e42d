"""Measures the signal parts of enhancement: transforms and their inverses, and dereverberation of six channels."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.models import SAMPLE_RATE
from benchmarks.speakers import speed
from benchmarks.timing import measure
from jaxspeech.features.stft import STFT, istft, stft
from jaxspeech.signal.wpe import WPE, dereverberated


def transform(repeat: int, *, batch: int, seconds: float) -> dict[str, Any]:
    """Transforms signals with the settings of NeMo's generative models, and back."""
    size = int(seconds * SAMPLE_RATE)
    samples = jnp.asarray(0.1 * np.random.default_rng(0).standard_normal((batch, 1, size)), jnp.float32)
    num_samples, settings = jnp.full(batch, size, jnp.int32), STFT(510, 128, 0.5, 0.33)

    @jax.jit
    def back(samples: jax.Array) -> jax.Array:
        return istft(stft(samples, num_samples, settings)[0], num_samples, settings, size=size)

    return {"batch": batch, **speed(measure(lambda: back(samples), repeat or 5), batch * seconds)}


def dereverberate(repeat: int, *, channels: int, frames: int, cascaded: bool) -> dict[str, Any]:
    """Dereverberates spectra of noise in three iterations of ten taps, as long as frames of 16 ms."""
    shape = (1, channels, frames, 257)
    spectra = jax.random.normal(jax.random.key(0), shape, jnp.complex64)
    num_frames, settings = jnp.full(1, frames, jnp.int32), WPE(10, 3, 3, cascaded)
    call = jax.jit(lambda spectra: dereverberated(spectra, num_frames, settings))
    return {"channels": channels, **speed(measure(lambda: call(spectra), repeat or 5), frames * 0.016)}


CASES = {
    "stft": lambda repeat: transform(repeat, batch=16, seconds=10.0),
    # As NeMo, each iteration filters what the one before returned.
    "wpe6": lambda repeat: dereverberate(repeat, channels=6, frames=626, cascaded=True),
}
GPU_CASES = {
    "stft_gpu": lambda repeat: transform(repeat, batch=128, seconds=10.0),
    "wpe6_gpu": lambda repeat: dereverberate(repeat, channels=6, frames=626, cascaded=True),
}
