"""The table of a language model's tokens, which embeds its inputs and is also its output layer.

x = E[id] + P[position]
logits = states E^T + b                                              Press and Wolf (2017)

The V + 1 rows are the V tokens and, with the id V, the end of a text, which stands before its first token too.
"""

import math
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.nn.products import dot_general


class TokenTable(nn.Module):
    """Embeddings of V tokens and of the end of a text.

    Attributes:
      vocab_size: V.
      width: D.
      dtype: of the matrix products.
    """

    vocab_size: int
    width: int
    dtype: Any = jnp.float32

    def setup(self) -> None:
        init, rows = nn.initializers.normal(1 / math.sqrt(self.width)), self.vocab_size + 1
        self.table = jnp.asarray(self.param("table", init, (rows, self.width)))
        self.bias = jnp.asarray(self.param("bias", nn.initializers.zeros_init(), (rows,)))

    def __call__(self, ids: Int[Any, "*rows"]) -> Float[Array, "*rows D"]:
        """Embeds tokens; padding may hold any number."""
        return self.table[jnp.clip(jnp.asarray(ids), 0, self.vocab_size)]

    def logits(self, states: Float[Array, "*rows D"]) -> Float[Array, "*rows W"]:
        """Computes the scores of the next token, W = V + 1."""
        contract = (((states.ndim - 1,), (1,)), ((), ()))
        product = dot_general(states.astype(self.dtype), self.table.astype(self.dtype), contract)
        return product + self.bias.astype(self.dtype)
