"""Self-attention whose scores fall linearly with the distance (ALiBi: Press et al., 2022), with learnt slopes.

scores[t, s] = q_t . k_s / sqrt(K) - slope_h |t - s|
y_t = W_out  sum_s softmax_s(scores[t, s]) v_s
"""

import math
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxspeech.nn.attention import MASKED_SCORE
from jaxspeech.nn.dropout import Dropout, dropout
from jaxspeech.nn.initializers import dense
from jaxspeech.nn.products import einsum
from jaxspeech.nn.query_blocks import block_size, in_blocks_of_platform, in_query_blocks


def first_slopes(num_heads: int) -> list[float]:
    """Returns the slopes of Press et al.: 2^(-8 / H), and its powers."""
    return [2.0 ** (-8.0 * (head + 1) / num_heads) for head in range(num_heads)]


def attend(
    query: Float[Array, "B Q H K"],
    first: Any,
    key: Float[Array, "B T H K"],
    value: Float[Array, "B T H K"],
    slopes: Float[Array, " H"],
    mask: Bool[Array, "B T"],
    drawn: Any = None,
    rate: float = 0.0,
) -> Float[Array, "B Q H K"]:
    """Attends to the frames where `mask` is True, from the queries that begin with number `first`.

    `drawn` is the key of the weights' dropout; None for none.
    """
    scores = einsum("bqhk,bthk->bhqt", query, key).astype(jnp.float32) / math.sqrt(query.shape[-1])
    distance = jnp.abs(first + jnp.arange(query.shape[1])[:, None] - jnp.arange(key.shape[1]))
    scores = scores - slopes.astype(jnp.float32)[:, None, None] * distance
    scores = jnp.where(mask[:, None, None], scores, MASKED_SCORE)
    weights = jnp.exp(scores - jax.lax.stop_gradient(scores.max(-1, keepdims=True)))
    # The division follows the product with the values: Q x K divisions instead of Q x T.
    totals = weights.sum(-1)[..., None].swapaxes(1, 2)
    weights = weights.astype(query.dtype)
    weights = weights if drawn is None else dropout(drawn, weights, rate=rate)
    return (einsum("bhqt,bthk->bqhk", weights, value) / totals).astype(query.dtype)


def attend_in_blocks(
    query: Float[Array, "B T H K"],
    key: Float[Array, "B T H K"],
    value: Float[Array, "B T H K"],
    slopes: Float[Array, " H"],
    mask: Bool[Array, "B T"],
    *,
    most_scores: int,
) -> Float[Array, "B T H K"]:
    """Computes `attend` without dropout, for a block of queries at a time (see `nn.query_blocks`)."""
    others = key, value, slopes, mask
    b, t, h, _ = query.shape
    size = block_size(b, h, t, t, most_scores=most_scores)
    if size == t:
        return attend(query, 0, *others)
    return in_query_blocks(lambda queries, first: attend(queries, first, *others), query, block=size)


class LinearBiasAttention(nn.Module):
    """Multi-head self-attention over frames, by distance.

    Attributes:
      num_heads: H.
      dropout: of the attention weights.
      dtype: of the matrix products; the softmax is float32.
    """

    num_heads: int
    dropout: float = 0.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T D"], mask: Bool[Array, "B T"], slopes: Float[Array, " H"], *, train: bool = False
    ) -> Float[Array, "B T D"]:
        """Attends to the frames where `mask` is True."""
        b, t, width = x.shape
        projected = dense(3 * width, width, name="qkv", dtype=self.dtype)(x)
        projected = projected.reshape(b, t, 3, self.num_heads, width // self.num_heads)
        arrays = *(projected[:, :, i] for i in range(3)), slopes, mask
        drawn = Dropout(self.dropout).draw(train=train)
        if train:
            recomputed = jax.checkpoint(partial(attend, rate=self.dropout))
            y = recomputed(arrays[0], 0, *arrays[1:], drawn)
        else:
            y = in_blocks_of_platform(attend_in_blocks, *arrays, scores=(b, self.num_heads, t, t))
        return dense(width, width, name="out", dtype=self.dtype)(y.reshape(b, t, width))
