"""Lengths to boolean masks. True is real, False is padding."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Shaped


def length_mask(lengths: Int[Array, " B"], size: int) -> Bool[Array, "B T"]:
    """True for the first `lengths[b]` of `size` positions in row b."""
    return jnp.arange(size) < lengths[:, None]


def zero_padding(x: Shaped[Array, "B T ..."], lengths: Int[Array, " B"]) -> Shaped[Array, "B T ..."]:
    """`x` with every position at or beyond its row's length set to zero, whatever it held (NaN included)."""
    mask = length_mask(lengths, x.shape[1]).reshape(x.shape[:2] + (1,) * (x.ndim - 2))
    return jnp.where(mask, x, jnp.zeros((), x.dtype))
