"""Signal-to-distortion ratios in dB: plain, and of the target scaled or filtered so that it fits the estimate best.

    sdr    = 10 log10(P / (D + 10^(-sdr_max / 10) P + eps) + eps),  P = mean(s^2),  D = mean((e - s)^2)
    s      = target                                              (SDR)
           = a target,  a = <e, target> / (|target|^2 + eps)      (SI-SDR; Le Roux et al., 2019)
           = h * target,  h = argmin |e - h * target|^2           (convolution-invariant; Boeddeker et al., 2021)

where e is the estimate, after its mean and the target's are subtracted (NeMo 3.0.0, audio/losses/audio.py). The filter
h is causal. A silent target (its power is below 1e-12) has an SDR of 10 log10(eps), and nothing is learned from it.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.losses.channels import channel_mean, check_weights
from jaxspeech.losses.toeplitz import solve_toeplitz
from jaxspeech.masks import length_mask

# A single sample of 16 bits at the least level in a minute of silence has 1e-15 of power.
SILENT = 1e-12
# Added to the diagonal of the filter's equations, relative to the target's power.
REGULARIZATION = 1e-6


def check_sdr_options(
    scale_invariant: bool,
    convolution_invariant: bool,
    convolution_filter_length: int,
    weight: Sequence[float] | None,
) -> None:
    """Checks the options of `sdr_loss`.

    Raises:
      ConfigError: both kinds of invariance, a filter without taps, or weights that are not positive or do not sum to 1.
    """
    if scale_invariant and convolution_invariant:
        raise ConfigError("scale_invariant and convolution_invariant exclude one another: choose one")
    if convolution_filter_length < 1:
        raise ConfigError(f"convolution_filter_length is {convolution_filter_length}: give 1 or more")
    check_weights(weight)


def sdr_loss(
    estimates: Float[Any, "B M S"],
    targets: Float[Any, "B M S"],
    num_samples: Int[Any, " B"],
    *,
    scale_invariant: bool = False,
    convolution_invariant: bool = False,
    convolution_filter_length: int = 512,
    remove_mean: bool = True,
    sdr_max: int | float | None = None,
    eps: float = 1e-8,
    weight: Sequence[float] | None = None,
) -> Float[Array, " B"]:
    """Computes the negative mean of the channels' SDR, in dB, over the channels whose target is not silent.

    Args:
      estimates, targets: M signals (channels or sources) of each row.
      num_samples: real samples of each row.
      scale_invariant: fits a scale to each target.
      convolution_invariant: fits a filter of `convolution_filter_length` taps to each target; of one tap, a scale.
      remove_mean: subtracts the means first.
      sdr_max: in dB, where the ratio saturates, so that what is good already has less weight.
      eps: keeps all ratios finite.
      weight: of each channel; they are positive and sum to 1. None weights all the same.

    Returns:
      The loss of each row; inf where all targets are silent.
    """
    ratios = signal_to_distortion(
        estimates,
        targets,
        num_samples,
        scale_invariant=scale_invariant,
        convolution_invariant=convolution_invariant,
        convolution_filter_length=convolution_filter_length,
        remove_mean=remove_mean,
        sdr_max=sdr_max,
        eps=eps,
    )
    audible = is_audible(targets, num_samples, remove_mean=remove_mean)
    return jnp.where(audible.any(1), -channel_mean(ratios, weight, audible), jnp.inf)


def signal_to_distortion(
    estimates: Float[Any, "B M S"],
    targets: Float[Any, "B M S"],
    num_samples: Int[Any, " B"],
    *,
    scale_invariant: bool = False,
    convolution_invariant: bool = False,
    convolution_filter_length: int = 512,
    remove_mean: bool = True,
    sdr_max: int | float | None = None,
    eps: float = 1e-8,
) -> Float[Array, "B M"]:
    """Computes the SDR of each signal in dB; the arguments are those of `sdr_loss`."""
    real = _real(num_samples, np.shape(targets)[-1])
    estimates, targets = (_masked(x, real, remove_mean=remove_mean) for x in (estimates, targets))
    count = jnp.maximum(real.sum(-1), 1)
    if scale_invariant or (convolution_invariant and convolution_filter_length == 1):
        power = (targets**2).sum(-1) / count
        scale = (estimates * targets).sum(-1) / count / (power + eps)
        targets = scale[..., None] * targets
    elif convolution_invariant:
        targets = jnp.where(real, _fitted(estimates, targets, convolution_filter_length, eps), 0)
    power = (targets**2).sum(-1) / count
    distortion = ((estimates - targets) ** 2).sum(-1) / count
    if sdr_max is not None:
        distortion = distortion + 10 ** (-sdr_max / 10) * power
    return 10 * jnp.log10(power / (distortion + eps) + eps)


def is_audible(
    targets: Float[Any, "B M S"], num_samples: Int[Any, " B"], *, remove_mean: bool = True
) -> Bool[Array, "B M"]:
    """Whether each target has a power from which something can be learned."""
    real = _real(num_samples, np.shape(targets)[-1])
    power = (_masked(targets, real, remove_mean=remove_mean) ** 2).sum(-1)
    return power > SILENT * jnp.maximum(real.sum(-1), 1)


def _real(num_samples: Int[Any, " B"], size: int) -> Bool[Array, "B 1 S"]:
    return length_mask(jnp.asarray(num_samples), size)[:, None, :]


def _masked(x: Float[Any, "B M S"], real: Bool[Array, "B 1 S"], *, remove_mean: bool) -> Float[Array, "B M S"]:
    x = jnp.where(real, jnp.asarray(x, jnp.float32), 0)
    if not remove_mean:
        return x
    return jnp.where(real, x - x.sum(-1, keepdims=True) / jnp.maximum(real.sum(-1, keepdims=True), 1), 0)


def _fitted(
    estimates: Float[Array, "B M S"], targets: Float[Array, "B M S"], taps: int, eps: float
) -> Float[Array, "B M S"]:
    """The targets, filtered so that they are as near to the estimates as a causal filter makes them."""
    size = targets.shape[-1]
    # Lags below `taps`, and the first `size` samples of the filtered target, do not wrap around.
    length = 1 << (size + taps - 1).bit_length()
    target, estimate = (jnp.fft.rfft(x, n=length) for x in (targets, estimates))
    auto = jnp.fft.irfft(target.real**2 + target.imag**2, n=length)[..., :taps]
    cross = jnp.fft.irfft(target.conj() * estimate, n=length)[..., :taps]
    auto = auto.at[..., 0].set(auto[..., 0] * (1 + REGULARIZATION) + eps)
    taps_of = jnp.fft.rfft(solve_toeplitz(auto, cross), n=length)
    return jnp.fft.irfft(target * taps_of, n=length)[..., :size]
