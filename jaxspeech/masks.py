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


def context_mask(query: Int[Array, "*B T"], key: Int[Array, "*B S"], left: int, right: int) -> Bool[Array, "*B T S"]:
    """The frame at place t sees those at places t - left to t + right; -1 is without limit.

    Args:
      query, key: places of the frames that look, and of those that are looked at.
      left, right: the limits.
    """
    ahead = key[..., None, :] - query[..., :, None]
    mask = jnp.ones(ahead.shape, bool)
    if left >= 0:
        mask &= ahead >= -left
    if right >= 0:
        mask &= ahead <= right
    return mask


def chunked_context_mask(
    query: Int[Array, "*B T"], key: Int[Array, "*B S"], left: int, right: int
) -> Bool[Array, "*B T S"]:
    """Chunks of right + 1 frames: a frame sees its own chunk and the left // (right + 1) chunks before it.

    -1 on the left is without limit; on the right it means no chunks, only the left limit (Noroozi et al., 2024).
    """
    if right < 0:
        return context_mask(query, key, left, -1)
    behind = query[..., :, None] // (right + 1) - key[..., None, :] // (right + 1)
    mask = behind >= 0
    return mask & (behind <= left // (right + 1)) if left >= 0 else mask


def attention_mask(lengths: Int[Array, " B"], context: Bool[Array, "T T"]) -> Bool[Array, "B T T"]:
    """`context` between real positions only: (query, key) True where the query may look."""
    real = length_mask(lengths, context.shape[0])
    return real[:, :, None] & real[:, None, :] & context
