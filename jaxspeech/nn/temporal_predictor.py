"""Predicts one number for each token: its logarithmic duration, its pitch or its energy (Ren et al., 2019).

x = drop(LN(relu(conv(x))))   for each of L layers,   y = W x + b
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.masks import zero_padding
from jaxspeech.nn.conditioning import ConditionalInput, ConditionalLayerNorm, Conditioning
from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.frame_convolution import FrameConv1D
from jaxspeech.nn.initializers import dense


class TemporalPredictor(nn.Module):
    """A stack of convolutions and a linear layer; padded tokens count as zero before each convolution.

    Attributes:
      num_layers: L.
      hidden_width: channels of the layers.
      kernel_size: in tokens, odd.
      dropout: after each layer.
    """

    num_layers: int = 2
    hidden_width: int = 256
    kernel_size: int = 3
    dropout: float = 0.1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B N D"],
        num_symbols: Int[Array, " B"],
        given: Conditioning | None,
        *,
        train: bool = False,
    ) -> Float[Array, "B N"]:
        """Returns the numbers in float32; 0 beyond a row's symbols."""
        x = zero_padding(ConditionalInput(self.dtype, name="speaker")(x, given), num_symbols)
        for i in range(self.num_layers):
            conv = FrameConv1D(self.hidden_width, self.kernel_size, dtype=self.dtype, name=f"conv_{i}")
            x = ConditionalLayerNorm(self.dtype, name=f"norm_{i}")(jax.nn.relu(conv(x, num_symbols)), given)
            x = Dropout(self.dropout)(x, train=train)
        numbers = dense(1, x.shape[-1], name="out", dtype=self.dtype)(x)[..., 0].astype(jnp.float32)
        return zero_padding(numbers, num_symbols)
