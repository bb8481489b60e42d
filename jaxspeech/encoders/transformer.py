"""The Transformer encoder (Vaswani et al., 2017), with norms before the branches (Xiong et al., 2020).

x, n = subsample(features, n);  x = norm x
x += MHSA(norm x);  x += FF(norm x)   for each of L layers
y = W_out norm x
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.encoders.layer_outputs import INPUT, Layer, LayerOutput, wanted_layers, with_outputs
from jaxspeech.encoders.shared_layer import apply_shared, can_share
from jaxspeech.masks import attention_mask, context_mask
from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.feedforward import FeedForward
from jaxspeech.nn.fused_attention import FusedSelfAttention
from jaxspeech.nn.initializers import dense
from jaxspeech.nn.normalization import LayerNorm
from jaxspeech.nn.positions import absolute_positions, relative_positions
from jaxspeech.nn.subsampling import Subsampling, subsample

MODULE_FIELDS = ("parent", "name")


class TransformerLayer(nn.Module):
    """One Transformer layer; its fields are those of the same name in `Transformer`."""

    num_heads: int
    ff_expansion: int | float
    qkv_bias: bool
    qk_norm: bool
    dropout: float
    dtype: Any

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B T D"],
        mask: Bool[Array, "B T T"],
        positions: Float[Array, "R D"] | None,
        train: bool = False,
    ) -> Float[Array, "B T D"]:
        def dropout(y: Float[Array, "B T D"]) -> Float[Array, "B T D"]:
            return Dropout(self.dropout)(y, train=train)

        attention = FusedSelfAttention(
            num_heads=self.num_heads,
            qkv_bias=self.qkv_bias,
            qk_norm=self.qk_norm,
            dtype=self.dtype,
            name="attention",
        )
        feed_forward = FeedForward(
            self.ff_expansion,
            dropout=self.dropout,
            dtype=self.dtype,
            activation=partial(jax.nn.gelu, approximate=False),
            name="ff",
        )
        x += dropout(attention(LayerNorm(dtype=self.dtype, name="norm_attention")(x), mask, positions, train=train))
        return x + dropout(feed_forward(LayerNorm(dtype=self.dtype, name="norm_ff")(x), train=train))


class Transformer(nn.Module):
    """Encodes feature frames with a stack of Transformer layers.

    Attributes:
      num_layers, width, num_heads: L, D, H.
      subsampling, subsampling_factor, subsampling_channels: see `nn.subsampling`; a factor of 1 is one projection.
      ff_expansion: hidden width of the feed-forward modules as a multiple of D.
      attention: "rel_pos", Transformer-XL's relative positions; "abs_pos", absolute positions added to the input; or
        "none", no positions.
      attention_context: frames that a query attends to on the left and on the right, -1 without limit.
      qkv_bias: a bias on the projection to query, key and value.
      qk_norm: normalise each head's query and key.
      norm_in: normalise the subsampled frames.
      xscaling: multiply the subsampled frames by sqrt(D).
      output_width: width of an output projection; None for no projection.
      dropout, dropout_pre_encoder, dropout_emb: of the branches, the subsampled frames, the relative positions.
      remat: recompute each layer's activations in the backward pass instead of storing them.
      dtype: of the matrix products; parameters, statistics and softmax stay float32.
    """

    num_layers: int
    width: int
    num_heads: int
    subsampling: Subsampling = "feature_stacking"
    subsampling_factor: int = 4
    subsampling_channels: int = 256
    ff_expansion: int | float = 4
    attention: Literal["rel_pos", "abs_pos", "none"] = "rel_pos"
    attention_context: tuple[int, int] = (-1, -1)
    qkv_bias: bool = False
    qk_norm: bool = False
    norm_in: bool = True
    xscaling: bool = False
    output_width: int | None = None
    dropout: float = 0.1
    dropout_pre_encoder: float = 0.1
    dropout_emb: float = 0.0
    remat: bool = True
    dtype: Any = jnp.float32

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.num_heads:
            raise TypeError(f"width {self.width} is not divisible by num_heads, {self.num_heads}")

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
        size, positions = x.shape[1], None
        x = x * math.sqrt(self.width) if self.xscaling else x
        if self.attention == "abs_pos":
            x = x + absolute_positions(size, self.width).astype(x.dtype)
        elif self.attention == "rel_pos":
            positions = relative_positions(size - 1, size - 1, self.width).astype(self.dtype)
            positions = Dropout(self.dropout_emb)(positions, train=train)
        x = Dropout(self.dropout_pre_encoder)(x, train=train)
        keep = wanted_layers(layers, self.depth)
        kept: dict[Layer, LayerOutput] = {INPUT: LayerOutput(x, num_frames)}
        if self.norm_in:
            x = LayerNorm(dtype=self.dtype, name="norm_in")(x)
        frames = jnp.arange(size)
        mask = attention_mask(num_frames, context_mask(frames, frames, *self.attention_context))
        module = nn.remat(TransformerLayer, static_argnums=(4,)) if self.remat else TransformerLayer
        for i in range(self.num_layers):
            if can_share(self, train=train):
                x = apply_shared(TransformerLayer(**self._layer_fields(), name=f"layers_{i}"), x, mask, positions)
            else:
                x = module(**self._layer_fields(), name=f"layers_{i}")(x, mask, positions, train)
            if i in keep:
                kept[i] = LayerOutput(x, num_frames)
        modules: list[Any] = [LayerNorm(dtype=self.dtype, name="norm_out")]
        if self.output_width is not None:
            modules.append(dense(self.output_width, self.width, name="out", dtype=self.dtype))
        for module in modules:
            x = module(x)
            kept = {layer: y if layer == INPUT else y._replace(frames=module(y.frames)) for layer, y in kept.items()}
        return with_outputs(x, num_frames, layers, kept)

    def _layer_fields(self) -> dict[str, Any]:
        """Returns the fields that a layer shares with the encoder, by name."""
        return {
            name: getattr(self, name) for name in TransformerLayer.__dataclass_fields__ if name not in MODULE_FIELDS
        }
