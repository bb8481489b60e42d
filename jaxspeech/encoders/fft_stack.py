"""A stack of feed-forward Transformer layers over tokens or frames, as in FastPitch (Łańcucki, 2021).

x = x + [sin(p w), cos(p w)] (+ speaker),   x = layer(x)   for each of L layers;   w_i = 10000^(-2i/D)
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.masks import zero_padding
from jaxspeech.nn.conditioning import ConditionalInput, Conditioning
from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.fft_layer import FFTLayer
from jaxspeech.types import Size


def positions(length: Size, width: int) -> Float[Array, "T D"]:
    """The code of each position in float32: the sines of all frequencies, then their cosines."""
    rates = 1 / np.float32(10000) ** (np.arange(0, width, 2, dtype=np.float32) / np.float32(width))
    angles = jnp.arange(length, dtype=jnp.float32)[:, None] * rates
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)


class FFTStack(nn.Module):
    """Layers that see the whole row; their output is zero beyond the row.

    Attributes:
      num_layers, width: L, D.
      num_heads, head_width: of the attention.
      hidden_width, kernel_size: of the convolutions.
      dropout, dropout_att, dropout_emb: after each half of a layer, of the attention weights, and of the input.
      dtype: of the matrix products; parameters, softmax and norms are float32.
    """

    num_layers: int = 6
    width: int = 384
    num_heads: int = 1
    head_width: int = 64
    hidden_width: int = 1536
    kernel_size: int = 3
    dropout: float = 0.1
    dropout_att: float = 0.1
    dropout_emb: float = 0.0
    dtype: Any = jnp.float32

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % 2 or not self.kernel_size % 2:
            raise ConfigError(f"width {self.width} must be even, and kernel_size {self.kernel_size} odd")

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T D"], num_frames: Int[Array, " B"], given: Conditioning | None, *, train: bool = False
    ) -> Float[Array, "B T D"]:
        """Encodes vectors; those beyond a row's frames are ignored."""
        code = positions(x.shape[1], self.width)
        x = zero_padding(x.astype(jnp.float32) + code, num_frames).astype(self.dtype)
        x = ConditionalInput(self.dtype, name="speaker")(x, given)
        x = Dropout(self.dropout_emb)(x, train=train)
        for i in range(self.num_layers):
            layer = FFTLayer(
                self.num_heads,
                self.head_width,
                self.hidden_width,
                self.kernel_size,
                self.dropout,
                self.dropout_att,
                self.dtype,
                name=f"layers_{i}",
            )
            x = layer(x, num_frames, given, train=train)
        return x
