"""LSTM encoder (He et al., 2019): projected LSTMs, in one or both directions, with a norm after each layer.

x, n = subsample(features, n);  x = dropout(norm([lstm(x), reverse(lstm(reverse(x)))]))   for each of L layers

In NeMo the backward direction starts wherever the tensor ends: for a recording alone one frame after its last, because
NeMo's frontend returns one frame more, of zeros; in a batch, anywhere in the padding. Here it starts where it would for
the recording alone.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.encoders.layer_outputs import INPUT, Layer, LayerOutput, wanted_layers, with_outputs
from jaxspeech.nn.both_directions import both_directions
from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.lstm import LSTM
from jaxspeech.nn.normalization import LayerNorm
from jaxspeech.nn.subsampling import Subsampling, padded_length, subsample


class LSTMEncoder(nn.Module):
    """Encodes feature frames with a stack of LSTM layers.

    Attributes:
      num_layers, width: L, D; with two directions each contributes half of D.
      cell_width: of the cells, before their projection to the width.
      bidirectional: add a backward direction, which starts at each row's last real frame, or after it:
      frames_after: feature frames of zeros after each row, in which the backward direction starts; 1 is as in NeMo.
      subsampling, subsampling_factor, subsampling_channels: see `nn.subsampling`.
      dropout: after each layer.
      dtype: of the matrix products; parameters, gates and cells stay float32.
    """

    num_layers: int
    width: int
    cell_width: int
    bidirectional: bool = True
    subsampling: Subsampling = "stacking"
    subsampling_factor: int = 4
    subsampling_channels: int = 256
    dropout: float = 0.2
    frames_after: int = 0
    dtype: Any = jnp.float32

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bidirectional and self.width % 2:
            raise TypeError(f"width is {self.width}; with two directions it must be even")
        if self.frames_after < 0:
            raise TypeError(f"frames_after is {self.frames_after}; it must not be negative")

    @property
    def total_factor(self) -> int:
        """Feature frames per encoder frame."""
        return self.subsampling_factor

    @property
    def depth(self) -> int:
        """The number of layers."""
        return self.num_layers

    @property
    def output_dim(self) -> int:
        """Width of the encoder's output."""
        return self.width

    @nn.compact
    def __call__(
        self,
        features: Float[Array, "B T F"],
        num_frames: Int[Array, " B"],
        *,
        train: bool = False,
        layers: Sequence[Layer] | None = None,
    ) -> Any:
        """Encodes features; see `encoders.encoder.Encoder`."""
        subsampling: Any = {"kind": self.subsampling, "factor": self.subsampling_factor}
        whole = padded_length(num_frames + self.frames_after, **subsampling)  # where NeMo's tensor would end
        x, num_frames = subsample(
            jnp.pad(features, ((0, 0), (0, self.frames_after), (0, 0))),
            num_frames,
            **subsampling,
            channels=self.subsampling_channels,
            width=self.width,
            dtype=self.dtype,
        )
        length = padded_length(features.shape[1], **subsampling)
        keep = wanted_layers(layers, self.depth)
        kept: dict[Layer, LayerOutput] = {INPUT: LayerOutput(x[:, :length], num_frames)}
        for i in range(self.num_layers):
            x = LSTMLayer(self.width, self.cell_width, self.bidirectional, self.dtype, name=f"layers_{i}")(
                x, whole if self.frames_after else num_frames
            )
            x = Dropout(self.dropout)(x, train=train)
            if i in keep:
                kept[i] = LayerOutput(x[:, :length], num_frames)
        return with_outputs(x[:, :length], num_frames, layers, kept)


class LSTMLayer(nn.Module):
    """One LSTM layer with its norm; its fields are those of the same name in `LSTMEncoder`."""

    width: int
    cell_width: int
    bidirectional: bool
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "B T D"], num_frames: Int[Array, " B"]) -> Float[Array, "B T D"]:
        """Applies the layer; the backward direction starts at the last of `num_frames`."""

        def lstm(name: str) -> LSTM:
            width = self.width // 2 if self.bidirectional else self.width
            return LSTM(width, forget_bias=0.0, cell_width=self.cell_width, dtype=self.dtype, name=name)

        if self.bidirectional:
            y = both_directions(x, num_frames, lstm("forward"), lstm("backward"))
        else:
            y = lstm("forward").from_zeros(x)
        return LayerNorm(dtype=self.dtype, name="norm")(y)
