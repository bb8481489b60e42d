"""A table of embeddings E [V D] that can also be the output layer: x = E[id], logits = states E^T."""

import math
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.nn.int8 import int8_product
from jaxspeech.nn.products import dot_general


class Embedding(nn.Module):
    """The embeddings of tokens; rows beyond the tokenizer's tokens are there and mean nothing.

    Attributes:
      vocab_size, width: V, D.
      int8: whether the table is one of 8-bit integers (`nn.int8`), with a scale for each token.
      dtype: of the embeddings and the products.
    """

    vocab_size: int
    width: int
    int8: bool = False
    dtype: Any = jnp.float32

    def setup(self) -> None:
        shape = (self.vocab_size, self.width)
        # As arrays of JAX, which ids can index: the variables of an export are of NumPy.
        if self.int8:
            self.table = jnp.asarray(self.param("table", nn.initializers.zeros_init(), shape, jnp.int8))
            self.scale = jnp.asarray(self.param("table_scale", nn.initializers.ones_init(), shape[:1]))
        else:
            init = nn.initializers.normal(1 / math.sqrt(self.width))
            self.table = jnp.asarray(self.param("table", init, shape))

    def __call__(self, ids: Int[Any, "*rows"]) -> Float[Array, "*rows D"]:
        """Looks tokens up; an id outside the table, such as -1 in the place of audio, gets any of its rows."""
        ids = jnp.clip(jnp.asarray(ids), 0, self.vocab_size - 1)
        x = self.table[ids].astype(self.dtype)
        return x * self.scale[ids][..., None].astype(self.dtype) if self.int8 else x

    def logits(self, states: Float[Array, "*rows D"]) -> Float[Array, "*rows V"]:
        """Computes the scores of all tokens."""
        states = states.astype(self.dtype)
        if self.int8:
            return int8_product(states, self.table, self.scale, axis=1)
        return dot_general(states, self.table.astype(self.dtype), (((states.ndim - 1,), (1,)), ((), ())))
