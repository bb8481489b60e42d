"""Distances of signals and of spectra: mean squares and magnitudes of differences, and the multi-resolution STFT loss.

    mse = mean |e - t|^2,    mae = mean |e - t|                                   (real or complex)
    stft = mean over resolutions of  |(|T| - |E|)| / |(|T|)|  +  mean |log |T| - log |E||

The means are over the real samples, or over the real frames and their bins (NeMo 3.0.0, audio/losses/audio.py). T and E
are the spectra of the target and the estimate; the first term is the spectral convergence, of Frobenius norms (Yamamoto
et al., Parallel WaveGAN, 2020). Unlike theirs, its ratio is taken in each signal, and not over the batch.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num

from jaxspeech.errors import ConfigError
from jaxspeech.losses.channels import channel_mean
from jaxspeech.masks import length_mask
from jaxspeech.types import Size

# (size of the DFT, samples between frames, length of the window), for 16 to 24 kHz.
RESOLUTIONS = ((512, 50, 240), (1024, 120, 600), (2048, 240, 1200))
# The least power of a bin.
FLOOR = 1e-7


def mse_loss(
    estimates: Num[Any, "B M T *F"],
    targets: Num[Any, "B M T *F"],
    lengths: Int[Any, " B"],
    *,
    weight: Sequence[float] | None = None,
) -> Float[Array, " B"]:
    """Computes the mean square of the differences: of samples [B M S], or of spectra [B M N F], real or complex.

    Args:
      estimates, targets: M channels of each row.
      lengths: real samples or frames of each row.
      weight: of each channel; they are positive and sum to 1. None weights all the same.

    Returns:
      The loss of each row; inf where it has no samples.
    """
    return _mean_of(_square, estimates, targets, lengths, weight)


def mae_loss(
    estimates: Num[Any, "B M T *F"],
    targets: Num[Any, "B M T *F"],
    lengths: Int[Any, " B"],
    *,
    weight: Sequence[float] | None = None,
) -> Float[Array, " B"]:
    """Computes the mean magnitude of the differences; the arguments are those of `mse_loss`."""
    return _mean_of(jnp.abs, estimates, targets, lengths, weight)


def stft_loss(
    estimates: Float[Any, "B M S"],
    targets: Float[Any, "B M S"],
    num_samples: Int[Any, " B"],
    *,
    resolutions: Sequence[tuple[int, int, int]] = RESOLUTIONS,
    weight: Sequence[float] | None = None,
) -> Float[Array, " B"]:
    """Computes the multi-resolution STFT loss of signals.

    Frames are centred at every hop from the first sample to the last one; beyond the signal are zeros.

    Args:
      estimates, targets: M channels of each row.
      num_samples: real samples of each row.
      resolutions: size of the DFT, hop and length of the (Hann) window of each, in samples.
      weight: of each channel; they are positive and sum to 1. None weights all the same.

    Returns:
      The loss of each row; inf where it has no samples.

    Raises:
      ConfigError: a window is longer than its DFT, or a hop is not positive.
    """
    check_resolutions(resolutions)
    num_samples = jnp.asarray(num_samples)
    real = length_mask(num_samples, np.shape(targets)[-1])[:, None]
    estimates, targets = (jnp.where(real, jnp.asarray(x, jnp.float32), 0) for x in (estimates, targets))
    losses = jnp.zeros(targets.shape[:2], jnp.float32)
    for size, hop, window in resolutions:
        e, t = (_magnitudes(x, size, hop, window) for x in (estimates, targets))
        num_frames = jnp.where(num_samples > 0, num_samples // hop + 1, 0)
        real_frames = length_mask(num_frames, t.shape[2])[:, None, :, None]
        e, t = (jnp.where(real_frames, x, FLOOR**0.5) for x in (e, t))
        # The floor keeps the root's gradient finite where both are equal.
        convergence = jnp.sqrt(jnp.maximum(((t - e) ** 2).sum((2, 3)), FLOOR)) / jnp.sqrt((t**2).sum((2, 3)))
        bins = jnp.maximum(num_frames, 1)[:, None] * t.shape[3]
        losses += convergence + jnp.abs(jnp.log(t) - jnp.log(e)).sum((2, 3)) / bins
    return jnp.where(num_samples > 0, channel_mean(losses / len(resolutions), weight), jnp.inf)


def check_resolutions(resolutions: Sequence[tuple[int, int, int]]) -> None:
    """Checks the settings of `stft_loss`.

    Raises:
      ConfigError: there are none, a window is longer than its DFT, or a number is not positive.
    """
    if not resolutions:
        raise ConfigError("resolutions is empty: give (size of the DFT, hop, window) for each")
    for size, hop, window in resolutions:
        if not 0 < window <= size or hop < 1:
            raise ConfigError(
                f"resolutions has {(size, hop, window)}: of a DFT, a hop and a window, the window must fit into the "
                "DFT, and all must be positive"
            )


def _magnitudes(x: Float[Array, "B M S"], size: int, hop: int, window: int) -> Float[Array, "B M N K"]:
    """Magnitudes of frames that are centred at 0, hop, 2 hop, ... samples."""
    left = window // 2
    x = jnp.pad(x, ((0, 0), (0, 0), (left, window - left)))
    frames = _frames_of(x, window, hop)
    taper = jnp.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window), jnp.float32)
    spectrum = jnp.fft.rfft(frames * taper, n=size)
    return jnp.sqrt(jnp.maximum(spectrum.real**2 + spectrum.imag**2, FLOOR))


def _frames_of(x: Float[Array, "B M S"], width: int, hop: int) -> Float[Array, "B M N W"]:
    number: Size = (x.shape[-1] - width) // hop + 1
    return x[..., np.arange(number)[:, None] * hop + np.arange(width)]


def _mean_of(
    measure: Callable[[Array], Array],
    estimates: Num[Any, "B M T *F"],
    targets: Num[Any, "B M T *F"],
    lengths: Int[Any, " B"],
    weight: Sequence[float] | None,
) -> Float[Array, " B"]:
    estimates, targets, lengths = jnp.asarray(estimates), jnp.asarray(targets), jnp.asarray(lengths)
    real = length_mask(lengths, targets.shape[2]).reshape(-1, 1, targets.shape[2], *[1] * (targets.ndim - 3))
    each = measure(jnp.where(real, estimates - targets, 0)).astype(jnp.float32)
    bins = int(np.prod(targets.shape[3:]))
    means = each.sum(tuple(range(2, each.ndim))) / (jnp.maximum(lengths, 1) * bins)[:, None]
    return jnp.where(lengths > 0, channel_mean(means, weight), jnp.inf)


def _square(x: Num[Array, "..."]) -> Float[Array, "..."]:
    return x.real**2 + x.imag**2
