"""Scales recordings by their loudest sample.

y = x / (max(x) + 0.001)

As in NeMo, the loudest sample is the greatest, not that of the greatest magnitude; but it is that of each recording,
where NeMo takes that of the whole batch. NeMo 3.0.0: SortformerEncLabelModel.process_signal.
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.masks import length_mask

FLOOR = 1e-3


def scale_by_loudest(samples: Float[Any, "B S"], num_samples: Int[Any, " B"]) -> Float[Array, "B S"]:
    """Scales each row; one of silence, or without a positive sample, is divided by 0.001. The padding may be anything.

    Args:
      samples: waveforms.
      num_samples: real samples of each row.
    """
    samples = jnp.asarray(samples, jnp.float32)
    real = length_mask(jnp.asarray(num_samples), samples.shape[1])
    loudest = jnp.where(real, samples, 0).max(1, keepdims=True, initial=0)
    return (1 / (loudest + FLOOR)) * samples
