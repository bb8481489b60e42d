"""The feed-forward Transformer layer of FastPitch: self-attention, then two convolutions, each followed by a norm.

x = LN(x + W_o softmax(q k / sqrt(K)) v),    x = LN(x + conv(relu(conv(x))))

Padded frames are zeroed before each convolution. NeMo (nemo/collections/tts/modules/transformer.py) does so before the
first one only, so that the last frames of a short row depend on the length of the batch; a row alone is the same.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.masks import length_mask, zero_padding
from jaxspeech.nn.attention import MASKED_SCORE
from jaxspeech.nn.conditioning import ConditionalLayerNorm, Conditioning
from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.frame_convolution import FrameConv1D
from jaxspeech.nn.initializers import dense
from jaxspeech.nn.products import einsum


class SelfAttention(nn.Module):
    """Multi-head self-attention within each row; heads need not add up to the width (Vaswani et al., 2017).

    Attributes:
      num_heads, head_width: H, K.
      dropout: of the attention weights.
      dtype: of the matrix products; the softmax is float32.
    """

    num_heads: int
    head_width: int
    dropout: float = 0.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T D"], num_frames: Int[Array, " B"], *, train: bool = False
    ) -> Float[Array, "B T D"]:
        b, t, width = x.shape
        heads, inner = self.num_heads, self.num_heads * self.head_width
        # One product for all three reads the input once.
        projected = dense(3 * inner, width, name="qkv", dtype=self.dtype)(x).reshape(b, t, 3, heads, self.head_width)
        query, key, value = (projected[:, :, i] for i in range(3))
        scores = einsum("bthk,bshk->bhts", query, key).astype(jnp.float32) / math.sqrt(self.head_width)
        real = length_mask(num_frames, t)[:, None, None]
        weights = jax.nn.softmax(jnp.where(real, scores, MASKED_SCORE), axis=-1)
        weights = Dropout(self.dropout)(weights.astype(self.dtype), train=train)
        # Heads first, or XLA turns the weights around for a CPU, which takes longer than to turn both others.
        mixed = einsum("bhts,bhsk->bhtk", weights, value.swapaxes(1, 2)).swapaxes(1, 2).reshape(b, t, inner)
        return dense(width, inner, name="out", dtype=self.dtype, use_bias=False)(mixed)


class FFTLayer(nn.Module):
    """One layer; padded frames are zero after it.

    Attributes:
      num_heads, head_width: of the attention.
      hidden_width: channels between the two convolutions.
      kernel_size: of the convolutions, in frames, odd.
      dropout, dropout_att: after each half, and of the attention weights.
    """

    num_heads: int = 1
    head_width: int = 64
    hidden_width: int = 1536
    kernel_size: int = 3
    dropout: float = 0.1
    dropout_att: float = 0.1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T D"], num_frames: Int[Array, " B"], given: Conditioning | None, *, train: bool = False
    ) -> Float[Array, "B T D"]:
        width, drop = x.shape[-1], Dropout(self.dropout)
        attention = SelfAttention(self.num_heads, self.head_width, self.dropout_att, self.dtype, name="attention")
        attended = drop(attention(x, num_frames, train=train), train=train)
        x = zero_padding(ConditionalLayerNorm(self.dtype, name="norm_attention")(x + attended, given), num_frames)
        hidden = jax.nn.relu(self._conv(self.hidden_width, "up")(x, num_frames))
        hidden = drop(self._conv(width, "down")(hidden, num_frames), train=train)
        x = ConditionalLayerNorm(self.dtype, name="norm_feedforward")(x + hidden, given)
        return zero_padding(x, num_frames)

    def _conv(self, channels: int, name: str) -> FrameConv1D:
        return FrameConv1D(channels, self.kernel_size, dtype=self.dtype, name=name)
