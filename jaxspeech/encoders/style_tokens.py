"""Global style tokens: a recording's manner of speaking as a mixture of learnt vectors (Wang et al., 2018).

r = GRU(conv stack(mel))[last frame],   style = attention(r; tanh(tokens))

The convolutions are 3 x 3 with a stride of 2, each followed by ReLU and a norm over channels, and see zeros after a
row's last frame. Source: nemo/collections/tts/modules/submodules.py (GlobalStyleToken), where the mask is one frame
shorter than the preprocessor's mel and so raises an error.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.masks import zero_padding
from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.gru import GRU
from jaxspeech.nn.initializers import uniform_within
from jaxspeech.nn.normalization import LayerNorm


class StyleAttention(nn.Module):
    """Attention from one vector to a few learnt ones, several heads, each with its own part of the tokens' projection.

    Attributes:
      num_tokens, num_heads: the tokens have width / num_heads channels.
    """

    num_tokens: int
    num_heads: int

    @nn.compact
    def __call__(self, x: Float[Array, "B D"]) -> Float[Array, "B D"]:
        width, heads = x.shape[-1], self.num_heads
        inner = width // heads
        tokens = jnp.tanh(self.param("tokens", nn.initializers.normal(1.0), (self.num_tokens, inner)))
        glorot = nn.initializers.xavier_uniform()
        bias = self.param("bias", nn.initializers.zeros_init(), (3 * width,)).reshape(3, width)
        query = x @ self.param("query", glorot, (width, width)) + bias[0]
        key = tokens @ self.param("key", glorot, (inner, width)) + bias[1]
        value = tokens @ self.param("value", glorot, (inner, width)) + bias[2]
        query, key, value = (a.reshape(a.shape[0], heads, inner) for a in (query, key, value))
        weights = jax.nn.softmax(jnp.einsum("bhk,nhk->bhn", query, key) / math.sqrt(inner), axis=-1)
        mixed = jnp.einsum("bhn,nhk->bhk", weights, value).reshape(x.shape)
        return nn.Dense(width, name="out")(mixed)


class StyleTokens(nn.Module):
    """Encodes the mel frames of a recording as one vector.

    Attributes:
      width: of the vector.
      num_tokens, num_heads: of the attention.
      filters: channels of the convolutions.
      dropout: after each of them.
    """

    width: int = 384
    num_tokens: int = 10
    num_heads: int = 4
    filters: tuple[int, ...] = (32, 32, 64, 64, 128, 128)
    dropout: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_heads < 2 or self.width % self.num_heads:
            raise ConfigError(f"style.num_heads is {self.num_heads}: at least 2, and width {self.width} a multiple")

    @nn.compact
    def __call__(
        self, mel: Float[Array, "B T F"], num_frames: Int[Array, " B"], *, train: bool = False
    ) -> Float[Array, "B D"]:
        x = mel[..., None]
        for i, channels in enumerate(self.filters):
            width = x.shape[-1]
            init = uniform_within(1.0 / math.sqrt(9 * width))
            kernel = self.param(f"conv_{i}_kernel", init, (3, 3, width, channels))
            bias = self.param(f"conv_{i}_bias", init, (channels,))
            x = jax.lax.conv_general_dilated(
                zero_padding(x, num_frames),
                kernel,
                (2, 2),
                [(1, 1), (1, 1)],
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            )
            x = LayerNorm(name=f"norm_{i}")(jax.nn.relu(x + bias))
            x = Dropout(self.dropout)(x, train=train)
            num_frames = -(-num_frames // 2)
        x = zero_padding(x, num_frames)
        states: Any = GRU(self.width, name="gru")(x.reshape(*x.shape[:2], -1))
        last = jnp.clip(num_frames - 1, 0, states.shape[1] - 1)
        return StyleAttention(self.num_tokens, self.num_heads, name="attention")(
            jnp.take_along_axis(states, last[:, None, None], axis=1)[:, 0]
        )
