"""Reverses rows of different lengths: y_t = x_{n - 1 - t} for t < n, and y_t = x_t after."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.masks import length_mask


def reverse(x: Float[Array, "B T D"], num_frames: Int[Array, " B"]) -> Float[Array, "B T D"]:
    """Reverses the real frames of each row; its padding stays in place."""
    place = jnp.arange(x.shape[1])[None]
    mirrored = jnp.where(length_mask(num_frames, x.shape[1]), num_frames[:, None] - 1 - place, place)
    return jnp.take_along_axis(x, mirrored[:, :, None], axis=1)
