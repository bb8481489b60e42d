"""The CTC head: a projection from encoder frames to the tokens and the blank, which is last."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float


class CTCHead(nn.Module):
    """Computes logits of the V tokens and the blank (id V) for each encoder frame (Graves et al., 2006)."""

    vocab_size: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, encoded: Float[Array, "B T D"]) -> Float[Array, "B T W"]:
        glorot = nn.initializers.glorot_uniform()
        return nn.Dense(self.vocab_size + 1, dtype=self.dtype, kernel_init=glorot, name="out")(encoded)
