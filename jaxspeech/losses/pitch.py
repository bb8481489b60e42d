"""The loss of predicted pitch: whether a frame is voiced, and by how many octaves its pitch is wrong.

l = cross-entropy(voiced)                        mean over frames
  + 4 |octaves - log2(pitch / centre)|           mean over frames, 0 where one is unvoiced

An error of a quarter of an octave costs as much as a wrong voicing with a probability of e^-1 for the right one.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

OCTAVE = 4.0


def pitch_loss(
    voiced: Float[Any, "B T"],
    octaves: Float[Any, "B T"],
    pitch: Float[Any, "B T"],
    mask: Bool[Any, "B T"],
    *,
    centre: float,
) -> Float[Array, " B"]:
    """Computes the loss of each row.

    Args:
      voiced: logits.
      octaves: predicted pitch, in octaves above `centre`.
      pitch: of the recordings, in Hz; 0 where they are unvoiced.
      mask: real frames; others may hold anything.
      centre: in Hz.

    Returns:
      The mean over a row's real frames; 0 without one.
    """
    mask = jnp.asarray(mask)
    voiced, octaves, pitch = (jnp.where(mask, jnp.asarray(x, jnp.float32), 0) for x in (voiced, octaves, pitch))
    sign = jnp.where(pitch > 0, 1.0, -1.0)
    off = jnp.abs(octaves - jnp.log2(jnp.where(pitch > 0, pitch, centre) / centre))
    losses = jnp.where(mask, jax.nn.softplus(-sign * voiced) + OCTAVE * jnp.where(pitch > 0, off, 0), 0)
    return losses.sum(1) / jnp.maximum(mask.sum(1), 1)
