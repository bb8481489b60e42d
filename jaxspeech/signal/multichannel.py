"""Features of spectra of several channels: magnitudes, and the differences of phases between the channels.

m_c = |x_c|^p,  or of one reduced channel: |mean_c x_c|, mean_c |x_c|, sqrt(mean_c |x_c|^2)
d_c = angle(x_c) - angle(mean_c x_c), in [-pi, pi); zero where there is one channel

Each can be normalised in every bin, by its mean over time and channels, and its deviation: (f - mean) / std
(nemo/collections/audio/modules/features.py).
"""

from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float, Int

from jaxspeech.masks import length_mask

Reduction = Literal["none", "abs_mean", "mean_abs", "rms"]
Normalization = Literal["none", "mean", "mean_var"]
# The least variance that a feature is divided by.
LEAST_VARIANCE = 1e-8


def channel_features(
    spectra: Complex[Array, "B C N F"],
    num_frames: Int[Array, " B"],
    *,
    reduction: Reduction = "none",
    power: float | None = None,
    normalize: Normalization = "none",
    phase_differences: bool = False,
    phase_normalize: Normalization = "none",
) -> Float[Array, "B D N G"]:
    """Computes the features of each frame; what is beyond a row's frames is finite but meaningless.

    Args:
      spectra: C channels of F bins.
      num_frames: real frames of each row.
      reduction: of the channels, for the magnitudes; "none" keeps them all.
      power: exponent of the magnitudes.
      normalize: of the magnitudes.
      phase_differences: whether there are differences of phases of all channels, after the magnitudes.
      phase_normalize: of the differences.

    Returns:
      Features of D = C channels, or D = 1 if they are reduced and there are no differences; G is F or 2 F.
    """
    real = length_mask(num_frames, spectra.shape[2])[:, None, :, None]
    spectra = jnp.where(real, spectra, 0)
    features = _magnitudes(spectra, reduction)
    if power is not None:
        features = _positive(features, lambda x: x**power)
    features = _normalized(features, real, normalize)
    if not phase_differences:
        return features
    if spectra.shape[1] == 1:
        differences = jnp.zeros_like(spectra.real)
    else:
        differences = _angle(spectra) - _angle(spectra.mean(1, keepdims=True))
        differences = jnp.remainder(differences + jnp.pi, 2 * jnp.pi) - jnp.pi
        differences = _normalized(differences, real, phase_normalize)
    return jnp.concatenate([jnp.broadcast_to(features, differences.shape), differences], -1)


def _magnitudes(spectra: Complex[Array, "B C N F"], reduction: Reduction) -> Float[Array, "B D N F"]:
    if reduction == "abs_mean":
        spectra = spectra.mean(1, keepdims=True)
    squares = spectra.real**2 + spectra.imag**2
    if reduction == "rms":
        squares = squares.mean(1, keepdims=True)
    magnitudes = _positive(squares, jnp.sqrt)
    return magnitudes.mean(1, keepdims=True) if reduction == "mean_abs" else magnitudes


def _positive(x: Array, function: Callable[[Array], Array]) -> Array:
    """Applies a function to what is above 0; the rest is 0, and has no gradient."""
    return jnp.where(x > 0, function(jnp.where(x > 0, x, 1.0)), 0.0)


def _angle(x: Complex[Array, "..."]) -> Float[Array, "..."]:
    """The angle, which has no gradient at 0."""
    return jnp.angle(jnp.where(x == 0, 1.0, x))


def _normalized(x: Float[Array, "B C N F"], real: Bool[Array, "B 1 N 1"], kind: Normalization) -> Array:
    if kind == "none":
        return x
    count = jnp.maximum(real.sum(2, keepdims=True), 1) * x.shape[1]

    def mean(x: Array) -> Array:
        return jnp.where(real, x, 0).sum((1, 2), keepdims=True) / count

    x = x - mean(x)
    return x if kind == "mean" else x / jnp.sqrt(jnp.maximum(mean(x**2), LEAST_VARIANCE))
