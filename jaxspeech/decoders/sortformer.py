"""The head of Sortformer, which finds the active speakers of each frame (Park et al., 2024).

    x = W_in encoded                                 if the encoder has another width
    x = layer(x)                                     for each of L Transformer layers, without positions
    logits = W_out relu(W_hidden relu(x))            [B T S]; the sigmoid of each is a probability

The S speakers come in the order in which they begin to speak.
"""

from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.attention_layers import ACTIVATIONS, EncoderLayer
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.masks import context_mask, length_mask, zero_padding
from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.normalization import LayerNorm
from jaxspeech.nn.products import dot_general


class SortformerDecoder(nn.Module):
    """Transformer layers over the encoder's frames, and an output for each speaker.

    Attributes:
      num_speakers: S.
      num_layers, width, num_heads: L, D, H of the Transformer.
      hidden_width: of its feed-forward branches.
      activation: of these, "relu" or "gelu".
      norm_first: norms before the branches; False: after them.
      norm_last: a norm after the last layer; only with `norm_first`.
      dropout, dropout_att: of the branches, the attention weights.
      dropout_out: before each of the last two projections.
      right_context: frames after its own that a frame attends to; -1 without limit.
      spare_outputs: further weights of the files of NeMo, which no result depends on.
      dtype: of the matrix products.
    """

    num_speakers: int = 4
    num_layers: int = 18
    width: int = 192
    num_heads: int = 8
    hidden_width: int = 768
    activation: Literal["relu", "gelu"] = "relu"
    norm_first: bool = False
    norm_last: bool = True
    dropout: float = 0.5
    dropout_att: float = 0.5
    dropout_out: float = 0.5
    right_context: int = -1
    spare_outputs: bool = False
    dtype: Any = jnp.float32

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.activation not in ACTIVATIONS:
            raise ConfigError(
                f"decoder.activation {self.activation!r}{did_you_mean(str(self.activation), ACTIVATIONS)}"
            )
        if self.num_heads < 1 or self.width % self.num_heads:
            raise ConfigError(f"decoder.width {self.width} is not divisible by decoder.num_heads, {self.num_heads}")
        if self.num_speakers < 1:
            raise ConfigError(f"decoder.num_speakers is {self.num_speakers}: choose 1 or more")

    @nn.compact
    def __call__(
        self, encoded: Float[Any, "B T E"], num_frames: Int[Any, " B"], *, train: bool = False
    ) -> Float[Array, "B T S"]:
        """Computes the logits, in float32; those beyond num_frames are finite but meaningless."""
        encoded, num_frames = jnp.asarray(encoded), jnp.asarray(num_frames)
        x = zero_padding(encoded, num_frames).astype(self.dtype)
        if x.shape[-1] != self.width:
            x = self._dense(self.width, "projection")(x)
        mask, frames = length_mask(num_frames, x.shape[1])[:, None], jnp.arange(x.shape[1])
        if self.right_context >= 0:
            mask &= context_mask(frames, frames, -1, self.right_context)
        for i in range(self.num_layers):
            layer = EncoderLayer(
                width=self.width,
                num_heads=self.num_heads,
                hidden_width=self.hidden_width,
                activation=self.activation,
                norm_first=self.norm_first,
                dropout=self.dropout,
                dropout_att=self.dropout_att,
                dtype=self.dtype,
                name=f"layers_{i}",
            )
            x = layer(x, mask, train=train)
        if self.norm_first and self.norm_last:
            x = LayerNorm(dtype=self.dtype, name="norm_out")(x)
        if self.spare_outputs:
            self._dense(self.num_speakers, "spare")(jnp.zeros((1, 2 * self.width), self.dtype))
        drop = Dropout(self.dropout_out)
        x = self._dense(self.width, "hidden")(drop(jax.nn.relu(x), train=train))
        x = self._dense(self.num_speakers, "out")(drop(jax.nn.relu(x), train=train))
        return x.astype(jnp.float32)

    def _dense(self, features: int, name: str) -> nn.Dense:
        return nn.Dense(
            features,
            dtype=self.dtype,
            kernel_init=nn.initializers.xavier_uniform(),
            dot_general=dot_general,
            name=name,
        )
