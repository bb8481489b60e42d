"""Guided source separation (GSS): masks from who speaks when, by a mixture model of directions in each bin.

z[n]        = x[n] / |x[n]|
q[m, n]     = z[n]^H B[m]^-1 z[n]
gamma[m, n] ~ alpha[m] activity[m, n] det(B[m])^-1 q[m, n]^-C,     sum_m gamma = 1
B[m]        = C sum_n gamma[m, n] / q[m, n] z[n] z[n]^H / sum_n gamma[m, n],     alpha[m] = mean_n gamma[m, n]

Expectation maximisation of complex angular central Gaussian distributions, begun with the activities (Ito, Araki and
Nakatani, 2016; Boeddeker et al., 2018; nemo/collections/audio/modules/masking.py, MaskEstimatorGSS). As in NeMo, B is
taken in relation to its greatest eigenvalue, which changes no mask.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.masks import length_mask
from jaxspeech.signal.bins import over_bins
from jaxspeech.signal.covariance import hermitian, products_of_rows, real_rows
from jaxspeech.signal.hermitian import product, whitening

EPSILON = 1e-8


def guided_masks(
    spectra: Complex[Array, "B C N F"],
    activity: Float[Array, "B M N"],
    num_frames: Int[Array, " B"],
    *,
    iterations: int = 3,
    epsilon: float = EPSILON,
) -> Float[Array, "B M N F"]:
    """Estimates a mask for each source.

    Args:
      spectra: C channels. Frames beyond `num_frames` may hold anything, in `activity` too.
      activity: how much each of M sources may be heard in a frame, from 0 to 1. One of them should be noise, which is
        always active, as otherwise what is heard belongs to some source in any case.
      num_frames: real frames of each row.
      iterations: of the estimation.
      epsilon: what is added to what is divided by.

    Returns:
      Masks, whose sum over the sources is 1 where one is active, and 0 beyond each row's frames.

    Raises:
      ConfigError: there is one source only, whose mask would be 1.
    """
    channels, frames = spectra.shape[1:3]
    sources = activity.shape[1]
    if sources < 2:
        raise ConfigError("guided source separation needs two sources or more: add an always active one for the noise")
    real = length_mask(num_frames, frames)
    spectra = jnp.where(real[:, None, :, None], spectra, 0).transpose(0, 3, 1, 2)
    bins = spectra.shape[1]
    activity = jnp.where(real[:, None], activity, 0).astype(spectra.real.dtype)
    start = jnp.maximum(activity, epsilon)
    start = jnp.where(real[:, None], start / start.sum(1, keepdims=True), 0)
    every = jnp.broadcast_to(activity[:, None], (activity.shape[0], bins, sources, frames))
    masks = jnp.broadcast_to(start[:, None], every.shape)

    def one_bin(x: Array, activity: Array, masks: Array) -> Array:
        squares = (x.real**2 + x.imag**2).sum(0)
        norms = jnp.where(squares > 0, jnp.sqrt(jnp.where(squares > 0, squares, 1)), 0)
        directions = x / (norms + epsilon)
        energies = jnp.ones_like(masks)
        for _ in range(iterations):
            masks, energies = improved(directions, activity, masks, energies, epsilon)
        return masks

    elements = 4 * (sources + 2) * channels * frames
    return over_bins(one_bin, spectra, every, masks, elements=elements).transpose(0, 2, 3, 1)


def improved(
    directions: Complex[Array, "C N"],
    activity: Float[Array, "M N"],
    masks: Float[Array, "M N"],
    energies: Float[Array, "M N"],
    epsilon: float,
) -> tuple[Float[Array, "M N"], Float[Array, "M N"]]:
    """One iteration in one bin: the masks and the energies q."""
    channels, frames = directions.shape
    counts = masks.sum(-1)
    rows = real_rows(directions)
    weighted = (masks / (energies + epsilon))[:, None] * rows
    products = products_of_rows(weighted.reshape(-1, frames), rows).reshape(-1, *rows.shape[:1] * 2)
    shapes = channels * hermitian(products) / (counts + epsilon)[:, None, None]
    factors, log_det = whitening(shapes)
    white = product(factors, directions)
    energies = (white.real**2 + white.imag**2).sum(1) + epsilon
    log_density = -channels * jnp.log(energies) - log_det[:, None]
    # In relation to the greatest of the active sources: beside that of another one, NeMo's, it could be rounded to 0.
    active = activity > 0
    greatest = jnp.where(active, log_density, -jnp.inf).max(0)
    relative = jnp.where(active, log_density - jax.lax.stop_gradient(greatest), 0)
    # The number of frames would divide the weights of all sources, and is left out.
    joint = counts[:, None] * jnp.exp(relative) * activity
    return joint / (joint.sum(0) + epsilon), energies
