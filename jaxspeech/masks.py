"""Lengths to boolean masks. True is real, False is padding."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Shaped

from jaxspeech.types import Size


def length_mask(lengths: Int[Array, " B"], size: Size) -> Bool[Array, "B T"]:
    """True for the first `lengths[b]` of `size` positions in row b."""
    return jnp.arange(size) < lengths[:, None]


def zero_padding(x: Shaped[Array, "B T ..."], lengths: Int[Array, " B"]) -> Shaped[Array, "B T ..."]:
    """`x` with every position at or beyond its row's length set to zero, whatever it held (NaN included)."""
    mask = length_mask(lengths, x.shape[1]).reshape(x.shape[:2] + (1,) * (x.ndim - 2))
    return jnp.where(mask, x, jnp.zeros((), x.dtype))


def context_mask(size: Size, left: int, right: int) -> Bool[Array, "T T"]:
    """Query t sees keys t - left to t + right; -1 is without limit."""
    offset = jnp.arange(size)[None, :] - jnp.arange(size)[:, None]
    mask = jnp.ones((size, size), bool)
    if left >= 0:
        mask &= offset >= -left
    if right >= 0:
        mask &= offset <= right
    return mask


def chunked_context_mask(size: Size, left: int, right: int) -> Bool[Array, "T T"]:
    """Chunks of right + 1 frames: a query sees its own chunk and the left // (right + 1) chunks before it.

    -1 on the left is without limit; on the right it means no chunks, only the left limit (Noroozi et al., 2024).
    """
    if right < 0:
        return context_mask(size, left, -1)
    chunk = jnp.arange(size) // (right + 1)
    behind = chunk[:, None] - chunk[None, :]
    mask = behind >= 0
    return mask & (behind <= left // (right + 1)) if left >= 0 else mask


def attention_mask(lengths: Int[Array, " B"], context: Bool[Array, "T T"]) -> Bool[Array, "B T T"]:
    """`context` between real positions only: (query, key) True where the query may look."""
    real = length_mask(lengths, context.shape[0])
    return real[:, :, None] & real[:, None, :] & context
