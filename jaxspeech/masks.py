"""Makes boolean masks from lengths: True is real, False is padding."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from jaxspeech.types import Size


def length_mask(lengths: Int[Array, " B"], size: Size) -> Bool[Array, "B T"]:
    """Mask that is True for the first `lengths[b]` of `size` positions in row b."""
    return jnp.arange(size) < lengths[:, None]


def zero_padding(x: Shaped[Array, "B T ..."], lengths: Int[Array, " B"]) -> Shaped[Array, "B T ..."]:
    """Set every position at or beyond its row's length to zero, whatever its value (even NaN)."""
    mask = length_mask(lengths, x.shape[1]).reshape(x.shape[:2] + (1,) * (x.ndim - 2))
    return jnp.where(mask, x, jnp.zeros((), x.dtype))


def right_padded(x: Shaped[Array, "B T ..."], lengths: Int[Any, " B"]) -> Shaped[Array, "B T ..."]:
    """Moves each row's last `lengths[b]` positions to its start: padding on the left comes to the right."""
    first = x.shape[1] - jnp.asarray(lengths)
    places = (jnp.arange(x.shape[1]) + first[:, None]) % x.shape[1]
    return jnp.take_along_axis(x, places.reshape(places.shape + (1,) * (x.ndim - 2)), axis=1)


def keep_frames(x: Float[Array, "B T D"], mask: Bool[Array, "B T"]) -> Float[Array, "B T D"]:
    """Zeroes the frames where `mask` is False; these are finite if `x` is in half precision."""
    if x.dtype == jnp.float32:
        return jnp.where(mask[:, :, None], x, 0.0)
    # A factor, because a scan's forward pass would store the zeros of `where`, and read them in every layer.
    return x * mask[:, :, None].astype(x.dtype)


def context_mask(query: Int[Array, "*B T"], key: Int[Array, "*B S"], left: int, right: int) -> Bool[Array, "*B T S"]:
    """Mask by which the frame at position t attends to positions t - left to t + right; -1 means no limit.

    Args:
      query, key: positions of the frames that attend, and of those attended to.
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
    """Mask by which a frame attends to its own chunk of right + 1 frames and the left // (right + 1) chunks before it.

    left = -1 means no limit; right = -1 means no chunks, only the limit on the left (Noroozi et al., 2024).
    """
    if right < 0:
        return context_mask(query, key, left, -1)
    chunks_back = query[..., :, None] // (right + 1) - key[..., None, :] // (right + 1)
    mask = chunks_back >= 0
    return mask & (chunks_back <= left // (right + 1)) if left >= 0 else mask


def chunk_window_mask(
    query: Int[Array, "*B T"],
    key: Int[Array, "*B S"],
    left: int | Int[Array, ""],
    chunk: int | Int[Array, ""],
    right: int | Int[Array, ""],
) -> Bool[Array, "*B T S"]:
    """Mask by which a frame attends to its chunk, `left` frames before the chunk and `right` frames after it.

    Chunks have `chunk` frames and start at position 0 (Andrusenko et al., 2026). Sizes drawn at random may be passed.
    """
    first = query[..., :, None] // chunk * chunk
    key = key[..., None, :]
    return (key >= first - left) & (key < first + chunk + right)


def attention_mask(lengths: Int[Array, " B"], context: Bool[Array, "T T"]) -> Bool[Array, "B T T"]:
    """Restrict `context` to real positions: (query, key) is True where the query may attend to the key."""
    real = length_mask(lengths, context.shape[0])
    return real[:, :, None] & real[:, None, :] & context


def last_axis_mask(lengths: Int[Array, "..."], size: Size, ndim: int) -> Bool[Array, "..."]:
    """Mask for an array of `ndim` axes whose first are those of `lengths` and whose last has `size` positions.

    The axes between them, such as channels, have the size 1: [B], 100, 3 -> [B 1 100].
    """
    return jnp.arange(size) < lengths.reshape(lengths.shape + (1,) * (ndim - lengths.ndim))
