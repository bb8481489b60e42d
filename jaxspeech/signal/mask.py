"""Limits masks, and makes estimated sources add up to their mixture.

y_m = s_m + w_m (x - sum_k s_k),   w_m = 1 / M,  or |s_m|^2 / (sum_k |s_k|^2 + eps)     (Wisdom et al., 2018)
"""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

EPSILON = 1e-8


def amplitude(db: int | float) -> float:
    """Converts a level in dB to a factor of amplitudes."""
    return 10.0 ** (db / 20)


def limited(masks: Float[Array, "..."], *, least_db: int | float, most_db: int | float) -> Float[Array, "..."]:
    """Limits masks on both sides."""
    return jnp.clip(masks, amplitude(least_db), amplitude(most_db))


def consistent(
    estimates: Complex[Array, "B M N F"], mixture: Complex[Array, "B 1 N F"], *, weighting: Literal["uniform", "power"]
) -> Complex[Array, "B M N F"]:
    """Adds to each source its share of what is missing of the mixture.

    Args:
      estimates: M sources.
      mixture: one channel.
      weighting: the shares: all the same, or by the sources' power.
    """
    rest = mixture - estimates.sum(1, keepdims=True)
    if weighting == "uniform":
        return estimates + rest / estimates.shape[1]
    power = estimates.real**2 + estimates.imag**2
    return estimates + power / (power.sum(1, keepdims=True) + EPSILON) * rest
