"""Joins the outputs of several layers to one sequence of frames.

    cat: [x_1; x_2; ...]    sum, mean, max, min: of each feature over the layers    weighted_sum: sum_i w_i x_i

The weights are learnt, one for each of the K layers, and start at 1 / K; nothing normalises them, as in NeMo's
Aggregator (asr/modules/ssl_modules/multi_layer_feat.py).
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

MODES = ("cat", "sum", "mean", "max", "min", "weighted_sum")


class Aggregate(nn.Module):
    """Joins outputs of equal frame rate, and but for "cat" of equal width.

    Attributes:
      mode: one of MODES.
    """

    mode: str

    @nn.compact
    def __call__(self, outputs: Sequence[Float[Any, "B T _"]]) -> Float[Array, "B T D"]:
        if self.mode == "cat":
            return jnp.concatenate(outputs, -1)
        stacked = jnp.stack(outputs)
        if self.mode == "weighted_sum":
            share = nn.initializers.constant(1 / len(outputs))
            return jnp.einsum("k,kbtd->btd", self.param("weights", share, (len(outputs),)), stacked)
        return {"sum": jnp.sum, "mean": jnp.mean, "max": jnp.max, "min": jnp.min}[self.mode](stacked, 0)
