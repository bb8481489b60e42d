"""The distance of log magnitude spectra at several resolutions, as neural codecs are trained by.

d = mean over resolutions and frames of  mean_f |log(|E_f| + guard) - log(|T_f| + guard)|

E and T are the spectra of the estimate and the target, with |X| = sqrt(re^2 + im^2 + 1e-5). Frames are centred on every
hop-th sample, and signals are reflected at their ends: each row's own, and not the batch's as in NeMo
(tts/losses/audio_codec_loss.py).
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxspeech.losses.spectral import check_resolutions
from jaxspeech.masks import length_mask

# Added to powers, so that the gradient of a root is finite where a signal is silent.
POWER_GUARD = 1e-5


def log_spectrum_loss(
    estimates: Float[Any, "B S"],
    targets: Float[Any, "B S"],
    num_samples: Int[Any, " B"],
    *,
    resolutions: Sequence[tuple[int, int, int]],
    guard: float = 1.0,
) -> Float[Array, " B"]:
    """Computes the distance of each row.

    Args:
      estimates, targets: signals; samples beyond a row's own may hold anything.
      num_samples: real samples of each row; a row of n samples has n // hop + 1 frames.
      resolutions: size of the DFT, hop and length of the (symmetric Hann) window of each, in samples.
      guard: added to the magnitudes.

    Raises:
      ConfigError: a window is longer than its DFT, or a number is not positive.
    """
    check_resolutions(resolutions)
    num_samples = jnp.asarray(num_samples)
    total = jnp.zeros(np.shape(targets)[0], jnp.float32)
    for size, hop, window in resolutions:
        e, t = (_log_spectra(jnp.asarray(x), num_samples, size, hop, window, guard) for x in (estimates, targets))
        num_frames = num_samples // hop + 1
        real = length_mask(num_frames, t.shape[1])
        total += jnp.where(real, jnp.abs(e - t).mean(-1), 0.0).sum(1) / num_frames
    return total / len(resolutions)


def _log_spectra(
    x: Float[Array, "B S"], num_samples: Int[Array, " B"], size: int, hop: int, window: int, guard: float
) -> Float[Array, "B N K"]:
    half = size // 2
    end = jnp.maximum(num_samples - 1, 0)[:, None]
    places = jnp.abs(jnp.arange(-half, x.shape[1] + half))
    # A row that is too short to be reflected is continued by its first or last sample.
    places = jnp.clip(jnp.where(places > end, 2 * end - places, places), 0, end)
    x = jnp.where((num_samples > 0)[:, None], jnp.take_along_axis(x.astype(jnp.float32), places, 1), 0.0)
    number = (x.shape[1] - size) // hop + 1
    frames = x[:, np.arange(number)[:, None] * hop + np.arange(size)]
    spectrum = jnp.fft.rfft(frames * _window(window, size))
    return jnp.log(jnp.sqrt(spectrum.real**2 + spectrum.imag**2 + POWER_GUARD) + guard)


def _window(length: int, size: int) -> Float[np.ndarray, " W"]:
    """A symmetric Hann window in the middle of `size` samples."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / max(length - 1, 1))
    left = (size - length) // 2
    return np.pad(window, (left, size - length - left)).astype(np.float32)
