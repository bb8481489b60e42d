"""Multichannel Wiener filters, and the minimum variance distortionless response (MVDR) among them.

rank one:  W = Phi_n^-1 Phi_s / (beta + tr(Phi_n^-1 Phi_s)),   beta = 0: MVDR, 1: Wiener
full rank: W = (Phi_s + beta Phi_n)^-1 Phi_s
y[n, f] = W[f, :, r]^H x[n, f]

with the covariances Phi of speech and noise in each bin, and the reference channel r (Souden, Benesty and Affes, 2010).
Column r of W is the filter that estimates the speech as channel r receives it. NeMo does the same in complex128
(nemo/collections/audio/parts/submodules/multichannel.py); here it is done in the precision of the spectra: complex64
differs by some 1e-6, as the inverted matrix is loaded on its diagonal.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from jaxspeech.errors import ConfigError
from jaxspeech.signal.hermitian import loaded, product, trace

Rank = Literal["one", "full"]
# Weights of the diagonal: in relation to the trace, and absolute. NeMo's.
LOADING = 1e-6
EPSILON = 1e-8


def wiener_filters(
    speech: Complex[Array, "*B C C"],
    noise: Complex[Array, "*B C C"],
    *,
    beta: float = 0.0,
    rank: Rank = "one",
    loading: float = LOADING,
    epsilon: float = EPSILON,
) -> Complex[Array, "*B C C"]:
    """Computes the filters of each bin, a column for each reference channel.

    Args:
      speech, noise: covariances, of any scale.
      beta: how much distortion of the speech may be exchanged for less noise: 0 is none.
      rank: what is assumed of the speech covariance: "one" is one source without reverberation beyond a frame.
      loading: what is added to the diagonal of the matrix to be inverted, in relation to its trace; 0: nothing at all.
      epsilon: what is added in any case.

    Raises:
      ConfigError: beta is 0 in full rank, where the filter would be 1.
    """
    check_rank(rank, beta)
    inverted = noise if rank == "one" else speech + beta * noise
    if loading:
        inverted = loaded(inverted, loading, epsilon)
    # Not by Cholesky's factors: without loading the matrix may be singular within rounding.
    filters = jnp.linalg.solve(inverted, speech)
    return filters / (beta + trace(filters) + epsilon)[..., None, None] if rank == "one" else filters


def check_rank(rank: str, beta: float) -> None:
    """Raises ConfigError if a filter of full rank would be no filter."""
    if rank == "full" and beta == 0:
        raise ConfigError('a filter of rank "full" with beta 0 changes nothing: use a beta above 0, or rank "one"')


def reference_weights(
    filters: Complex[Array, "... F C K"],
    speech: Complex[Array, "... F C C"],
    noise: Complex[Array, "... F C C"],
    *,
    hard: bool = True,
    straight_through: bool = True,
    speech_bins: Float[Array, " F"] | None = None,
    noise_bins: Float[Array, " F"] | None = None,
    epsilon: float = EPSILON,
) -> Float[Array, "... K"]:
    """Finds the reference channel with which the output has the greatest signal-to-noise ratio.

    The ratio is that of the powers of all bins together.

    Args:
      filters: those of `wiener_filters`.
      speech, noise: covariances.
      hard: whether the weights are 1 for the best channel and 0 for the others; else softmax(ratios in dB).
      straight_through: whether hard weights have the gradient of the soft ones, else none.
      speech_bins, noise_bins: learned weights of the bins, before a softmax over them (NeMo's ref_subband_weighting).
        None: all bins count the same.
      epsilon: what is added to powers and ratios.

    Returns:
      Weights of the columns of `filters`, of the sum 1.
    """

    def power(covariance: Array, bins: Array | None) -> Array:
        each = (filters.conj() * product(covariance, filters)).sum(-2).real
        return each.sum(-2) if bins is None else (jnp.abs(each) * jax.nn.softmax(bins)[:, None]).sum(-2)

    ratios = jnp.abs(power(speech, speech_bins)) / (jnp.abs(power(noise, noise_bins)) + epsilon)
    soft = jax.nn.softmax(10 * jnp.log10(ratios + epsilon))
    if not hard:
        return soft
    best = jax.nn.one_hot(soft.argmax(-1), soft.shape[-1], dtype=soft.dtype)
    return best + soft - jax.lax.stop_gradient(soft) if straight_through else best


def blind_normalization(
    filters: Complex[Array, "... C K"], noise: Complex[Array, "... C C"], *, epsilon: float = EPSILON
) -> Float[Array, "... K"]:
    """Computes the factor of each output that restores its level without knowledge of the room (BAN).

    g = sqrt(w^H Phi_n Phi_n w / C) / (w^H Phi_n w + eps)     (Warsitz and Haeb-Umbach, 2007)
    """
    received = product(noise, filters)
    squares = (received.real**2 + received.imag**2).sum(-2) / filters.shape[-2]
    roots = jnp.where(squares > 0, jnp.sqrt(jnp.where(squares > 0, squares, 1)), 0)
    return roots / (jnp.abs((filters.conj() * received).sum(-2).real) + epsilon)


def filtered(spectra: Complex[Array, "B C N F"], filters: Complex[Array, "B F C K"]) -> Complex[Array, "B K N F"]:
    """Applies filters: y_k = sum_c conj(w_ck) x_c, in each bin."""
    # Sums of a few products bin by bin are one loop over the spectra. A product of matrices would transpose them.
    factors = filters.conj().transpose(0, 3, 2, 1)[:, :, :, None]
    return (factors * spectra[:, None]).sum(2)
