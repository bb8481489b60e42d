"""The Squeezeformer encoder (Kim et al., 2022): half the frame rate in the middle layers, and norms after residuals.

x, n = subsample(features, n);  x = norm x
x = layer(x, mask)                             for each of L layers
kept = x;  x = W conv(x), every second frame   before layer reduce_at
x = kept + W x, with each frame of x twice     before layer recover_at
y = W_out x
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.encoders.conformer_layer import LayerContext
from jaxspeech.encoders.layer_outputs import INPUT, Layer, LayerOutput, wanted_layers, with_outputs
from jaxspeech.encoders.shared_layer import apply_shared, can_share
from jaxspeech.encoders.squeezeformer_layer import SqueezeformerLayer
from jaxspeech.masks import attention_mask, context_mask, length_mask, zero_padding
from jaxspeech.nn.convolution import Norm
from jaxspeech.nn.depthwise import DepthwiseConv1D
from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.initializers import dense
from jaxspeech.nn.normalization import LayerNorm
from jaxspeech.nn.positions import absolute_positions, relative_positions
from jaxspeech.nn.subsampling import Subsampling, subsample
from jaxspeech.types import Size

MODULE_FIELDS = ("parent", "name")
# The convolution that halves the frame rate: output frame t sees input frames 2t - 3 to 2t + 1.
REDUCTION_KERNEL, REDUCTION_PADDING = 5, (3, 1)


class Squeezeformer(nn.Module):
    """Encodes feature frames with a stack of Squeezeformer layers.

    Attributes:
      reduce_at, recover_at: indices of the layers before which the frame rate is halved and restored; reduce_at None
        never halves it, recover_at None restores it before the last layer.
      dropout: of the subsampled frames and the residual branches.
      remat: recompute each layer's activations in the backward pass instead of storing them.
      The others are those of the same name in `FastConformer`.
    """

    num_layers: int
    width: int
    num_heads: int
    reduce_at: int | None = None
    recover_at: int | None = None
    subsampling: Subsampling = "dw_striding"
    subsampling_factor: int = 4
    subsampling_channels: int = 256
    ff_expansion: int = 4
    attention: Literal["rel_pos", "abs_pos"] = "rel_pos"
    attention_context: tuple[int, int] = (-1, -1)
    xscaling: bool = True
    untied_biases: bool = True
    conv_kernel: int = 31
    conv_norm: Norm = "batch"
    norm_over_padding: bool = False
    output_width: int | None = None
    dropout: float = 0.1
    dropout_emb: float = 0.0
    dropout_att: float = 0.1
    remat: bool = True
    dtype: Any = jnp.float32

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reduce_at is not None and not 0 <= self.reduce_at < self._recover_at < self.num_layers:
            places = f"reduce_at {self.reduce_at} and recover_at {self._recover_at}"
            raise TypeError(f"{places} must be layers between 0 and {self.num_layers - 1}, the first below the second")

    @property
    def _recover_at(self) -> int:
        return self.num_layers - 1 if self.recover_at is None else self.recover_at

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
        return self.output_width or self.width

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
        x, num_frames = subsample(
            features,
            num_frames,
            kind=self.subsampling,
            factor=self.subsampling_factor,
            channels=self.subsampling_channels,
            width=self.width,
            dtype=self.dtype,
        )
        x = x * math.sqrt(self.width) if self.xscaling else x
        if self.attention == "abs_pos":
            x = x + absolute_positions(x.shape[1], self.width).astype(x.dtype)
        x = Dropout(self.dropout)(x, train=train)
        keep = wanted_layers(layers, self.depth)
        outputs: dict[Layer, LayerOutput] = {INPUT: LayerOutput(x, num_frames)}
        x = LayerNorm(dtype=self.dtype, name="norm_in")(x)

        whole = self._context(x, num_frames, train=train)
        module = nn.remat(SqueezeformerLayer, static_argnums=(3,)) if self.remat else SqueezeformerLayer
        context, kept = whole, x
        for i in range(self.num_layers):
            if i == self.reduce_at:
                kept = x
                x, context = self._reduce(x, num_frames, whole)
            if self.reduce_at is not None and i == self._recover_at:
                doubled = jnp.repeat(x, 2, axis=1)[:, : kept.shape[1]]
                x, context = kept + dense(self.width, self.width, name="recovery", dtype=self.dtype)(doubled), whole
            if can_share(self, train=train):
                x = apply_shared(SqueezeformerLayer(**self._layer_fields(), name=f"layers_{i}"), x, context)
            else:
                x = module(**self._layer_fields(), name=f"layers_{i}")(x, context, train)
            if i in keep:
                outputs[i] = LayerOutput(x, context.frame_mask.sum(1))
        if self.output_width is not None:
            out = dense(self.output_width, self.width, name="out", dtype=self.dtype)
            x = out(x)
            projected = {i: y._replace(frames=out(y.frames)) for i, y in outputs.items() if i != INPUT}
            outputs |= projected
        return with_outputs(x, num_frames, layers, outputs)

    def _context(self, x: Array, num_frames: Array, *, train: bool) -> LayerContext:
        size = x.shape[1]
        positions, biases = None, None
        if self.attention == "rel_pos":
            positions = self._positions(size)
            positions = Dropout(self.dropout_emb)(positions, train=train)
            if not self.untied_biases:
                heads = (self.num_heads, self.width // self.num_heads)
                zeros = nn.initializers.zeros_init()
                biases = (self.param("bias_u", zeros, heads), self.param("bias_v", zeros, heads))
        frames = jnp.arange(size)
        visible = attention_mask(num_frames, context_mask(frames, frames, *self.attention_context))
        return LayerContext(length_mask(num_frames, size), visible, positions, biases)

    def _positions(self, size: Size) -> Float[Array, "R D"]:
        return relative_positions(size - 1, size - 1, self.width).astype(self.dtype)

    def _reduce(self, x: Array, num_frames: Array, whole: LayerContext) -> tuple[Array, LayerContext]:
        """Halves the frame rate by a convolution of stride 2, and the shared masks and positions with it."""
        depthwise = DepthwiseConv1D(REDUCTION_KERNEL, REDUCTION_PADDING, dtype=self.dtype, name="reduction")
        x = depthwise(zero_padding(x, num_frames))[:, ::2]
        x = dense(self.width, self.width, name="reduction_out", dtype=self.dtype)(x)
        return x, whole._replace(
            frame_mask=whole.frame_mask[:, ::2],
            attention_mask=whole.attention_mask[:, ::2][:, :, ::2],
            positions=None if whole.positions is None else self._positions(x.shape[1]),
        )

    def _layer_fields(self) -> dict[str, Any]:
        """Returns the fields that a layer shares with the encoder, by name."""
        return {
            name: getattr(self, name) for name in SqueezeformerLayer.__dataclass_fields__ if name not in MODULE_FIELDS
        }
