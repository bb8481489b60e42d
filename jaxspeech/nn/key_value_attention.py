"""Multi-head attention whose keys and values are computed apart from its queries, so that they can be kept.

y_t = W_out  sum_s softmax_s(q_t . k_s / sqrt(K)) v_s                  Vaswani et al. (2017)
"""

import math
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxspeech.nn.attention import MASKED_SCORE
from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.products import dot_general, einsum
from jaxspeech.nn.query_blocks import block_size, in_blocks_of_platform, in_query_blocks


class KeysValues(NamedTuple):
    """Keys and values of S frames or tokens, head first, as the products read them."""

    keys: Float[Array, "*rows H S K"]
    values: Float[Array, "*rows H S K"]


class KeyValueAttention(nn.Module):
    """Attention of queries to keys and values from anywhere: a decoder's own past, or the encoder's frames.

    Attributes:
      width: D, of the inputs and the output.
      num_heads: H; each has K = D / H channels.
      dropout: of the attention weights.
      dtype: of the matrix products; the softmax is float32.
    """

    width: int
    num_heads: int
    dropout: float = 0.0
    dtype: Any = jnp.float32

    def setup(self) -> None:
        self.query, self.key, self.value, self.out = (
            nn.Dense(
                self.width,
                dtype=self.dtype,
                kernel_init=nn.initializers.xavier_uniform(),
                dot_general=dot_general,
                name=name,
            )
            for name in ("query", "key", "value", "out")
        )
        self.drop = Dropout(self.dropout)

    def keys_values(self, x: Float[Array, "*rows S D"]) -> KeysValues:
        """Projects what is attended to."""
        return KeysValues(self._heads(self.key(x)), self._heads(self.value(x)))

    def __call__(
        self,
        x: Float[Array, "*rows N D"],
        attended: KeysValues,
        mask: Bool[Array, "... #N S"],
        *,
        train: bool = False,
    ) -> Float[Array, "*rows N D"]:
        """Attends where `mask` (query, key) is True."""
        return self.mix(self.weights(x, attended, mask), attended, train=train)

    def to_frames(
        self, x: Float[Array, "B T D"], attended: KeysValues, mask: Bool[Array, "B 1 S"]
    ) -> Float[Array, "B T D"]:
        """Attends in inference to the same keys from many frames, whose scores are computed block by block."""
        query = self.query(x) / math.sqrt(self.width // self.num_heads)
        b, t, _ = x.shape
        scores = b, self.num_heads, t, attended.keys.shape[-2]
        found = in_blocks_of_platform(
            partial(_attend_in_blocks, heads=self.num_heads), query, attended, mask, scores=scores
        )
        return self.out(found)

    def weights(
        self, x: Float[Array, "*rows N D"], attended: KeysValues, mask: Bool[Array, "... #N S"]
    ) -> Float[Array, "*rows H N S"]:
        """Computes how much of each key every query takes, in float32; the weights of a query sum to 1."""
        query = self._heads(self.query(x)) / math.sqrt(self.width // self.num_heads)
        scores = einsum("...nk,...sk->...ns", query, attended.keys).astype(jnp.float32)
        return jax.nn.softmax(jnp.where(mask[..., None, :, :], scores, MASKED_SCORE), axis=-1)

    def mix(
        self, weights: Float[Array, "*rows H N S"], attended: KeysValues, *, train: bool = False
    ) -> Float[Array, "*rows N D"]:
        """Sums the values with these weights, and projects the sums of all heads."""
        weights = self.drop(weights.astype(self.dtype), train=train)
        y = einsum("...ns,...sk->...nk", weights, attended.values).swapaxes(-3, -2)
        return self.out(y.reshape(*y.shape[:-2], self.width))

    def _heads(self, x: Float[Array, "*rows N D"]) -> Float[Array, "*rows H N K"]:
        return x.reshape(*x.shape[:-1], self.num_heads, -1).swapaxes(-3, -2)


def _attend_in_blocks(
    query: Float[Array, "B T D"],
    attended: KeysValues,
    mask: Bool[Array, "B 1 S"],
    *,
    heads: int,
    most_scores: int,
) -> Float[Array, "B T D"]:
    """Computes the sums of all heads for projected and scaled queries."""
    b, t, _ = query.shape

    def attend(query: Array, first: Any = 0) -> Array:
        del first
        split = query.reshape(*query.shape[:2], heads, -1).swapaxes(1, 2)
        scores = einsum("bhnk,bhsk->bhns", split, attended.keys).astype(jnp.float32)
        scores = jnp.where(mask[:, None], scores, MASKED_SCORE)
        weights = jnp.exp(scores - scores.max(-1, keepdims=True))
        # The softmax's division follows the product with the values: T x K divisions instead of T x S.
        totals = weights.sum(-1, keepdims=True).astype(query.dtype)
        sums = einsum("bhns,bhsk->bhnk", weights.astype(query.dtype), attended.values) / totals
        return sums.swapaxes(1, 2).reshape(query.shape)

    size = block_size(b, heads, t, attended.keys.shape[-2], most_scores=most_scores)
    return attend(query) if size == t else in_query_blocks(attend, query, block=size)
