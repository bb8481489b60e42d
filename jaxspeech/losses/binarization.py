"""The binarization loss of an aligner, which pulls its soft alignment to the hard path that durations are taken from.

loss = -1 / T sum_t log max(p[t, path_t], 1e-12)

(Shih et al., "RAD-TTS", 2021; NeMo 3.0.0, tts/losses/aligner_loss.py.)
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.losses.shares import share
from jaxspeech.masks import length_mask

# The least log-probability that counts: less has no gradient.
FLOOR = float(np.log(1e-12))


def binarization_loss(
    log_probs: Float[Any, "B T N"],
    path: Int[Any, "B T"],
    num_frames: Int[Any, " B"],
    *,
    batch: Bool[Any, " B"] | None = None,
) -> Float[Array, " B"]:
    """Computes the loss of each row.

    Args:
      log_probs: logarithm of the soft alignment; padding may hold anything.
      path: the symbol of each frame, see `search.monotonic`.
      num_frames: real frames of each row.
      batch: None divides by the row's frames; else see `losses.shares`.
    """
    num_frames = jnp.asarray(num_frames)
    chosen = jnp.take_along_axis(jnp.asarray(log_probs, jnp.float32), jnp.asarray(path)[:, :, None], axis=2)[:, :, 0]
    real = length_mask(num_frames, chosen.shape[1])
    return share(-jnp.where(real, jnp.maximum(chosen, FLOOR), 0).sum(1), num_frames, batch=batch)
