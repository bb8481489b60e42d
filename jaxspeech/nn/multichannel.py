"""Layers over the channels of a recording, for any number of channels in any order; x is [B C T D].

    transform, average, concatenate   y_c = [relu(W x_c), mean_d relu(V x_d)]             (Luo et al., 2019)
    transform, attend, concatenate    y_c = [relu(W x_c), attention_c(relu(V x))]         (Jukic et al., 2023)
    pooling by attention              y = mean_c attention_c(x)                           (Wang et al., 2020)

Each frame attends to the channels of the same frame alone.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.nn.initializers import dense


class ChannelAttention(nn.Module):
    """Attention of each channel to all channels of its frame.

    Attributes:
      num_heads: H; the width of the input must be a multiple of it.
      dtype: of the matrix products; the softmax is in float32.
    """

    num_heads: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B C T D"]) -> Float[Array, "B C T D"]:
        width = x.shape[-1]

        def project(name: str) -> Float[Array, "B C T H K"]:
            y = dense(width, width, name=name, dtype=self.dtype)(x)
            return y.reshape(*y.shape[:-1], self.num_heads, width // self.num_heads)

        query, key, value = (project(name) for name in ("query", "key", "value"))
        scores = jnp.einsum("bcthk,bdthk->bthcd", query, key).astype(jnp.float32)
        weights = jax.nn.softmax(scores / math.sqrt(width // self.num_heads), -1)
        mixed = jnp.einsum("bthcd,bdthk->bcthk", weights.astype(value.dtype), value)
        return dense(width, width, name="out", dtype=self.dtype)(mixed.reshape(x.shape))


class TransformAndShare(nn.Module):
    """Half of the output is of the channel itself, half is what all channels share: their mean, or by attention.

    Attributes:
      width: of the output, an even number.
      num_heads: of the attention; 0 for the mean.
      dtype: of the matrix products.
    """

    width: int
    num_heads: int = 0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B C T D_in"]) -> Float[Array, "B C T D"]:
        def half(name: str) -> Float[Array, "B C T D_half"]:
            options: Any = {"name": name, "dtype": self.dtype, "use_bias": False}
            return jax.nn.relu(dense(self.width // 2, x.shape[-1], **options)(x))

        own, shared = half("own"), half("shared")
        if self.num_heads:
            shared = ChannelAttention(self.num_heads, self.dtype, name="attention")(shared)
        else:
            shared = jnp.broadcast_to(shared.mean(1, keepdims=True), own.shape)
        return jnp.concatenate([own, shared], -1)


class AttentionPooling(nn.Module):
    """The mean over the channels after attention over them."""

    num_heads: int = 1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B C T D"]) -> Float[Array, "B T D"]:
        return ChannelAttention(self.num_heads, self.dtype, name="attention")(x).mean(1)
