"""The Conformer layer (Gulati et al., 2020).

x += FF(norm x) / 2;  x += MHSA(norm x);  x += Conv(norm x);  x += FF(norm x) / 2;  y = norm x
x += Adapter(x) after MHSA for each adapter that attends,  y += Adapter(y) at the end for each linear one
"""

from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.nn.adapter import ATTENTION, Adapter, AttentionAdapter, LinearAdapter, add_linear_adapters
from jaxspeech.nn.attention import SelfAttention
from jaxspeech.nn.convolution import ConvolutionModule, Norm
from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.feedforward import FeedForward
from jaxspeech.nn.local_self_attention import LocalSelfAttention
from jaxspeech.nn.materialize import KEPT
from jaxspeech.nn.normalization import LayerNorm


class LayerContext(NamedTuple):
    """The inputs that all layers share: masks (True: a real frame, a visible key), relative positions, tied biases.

    For local attention `attention_mask` is the mask of frames: one of pairs would grow with the square of the length.
    `chunk` is the size of the chunks that convolutions keep to (see `nn.depthwise`), None where they do not.
    """

    frame_mask: Bool[Array, "B T"]
    attention_mask: Bool[Array, "B T S"] | Bool[Array, "B T"]
    positions: Float[Array, "R D"] | None
    biases: tuple[Float[Array, "H K"], Float[Array, "H K"]] | None
    chunk: Int[Array, ""] | None = None


class ConformerLayer(nn.Module):
    """One Conformer layer; its fields are those of the same name in `FastConformer`.

    Attributes:
      attention_chunk: frames of a chunk of local attention (see `nn.local_attention`).
    """

    num_heads: int
    attention: Literal["rel_pos", "abs_pos", "rel_pos_local"]
    attention_context: tuple[int, int]
    global_frames: int
    global_spacing: int
    global_projections: bool
    ff_expansion: int
    untied_biases: bool
    use_bias: bool
    conv_kernel: int
    conv_context: tuple[int, int] | None
    conv_norm: Norm
    conv_groups: int
    norm_over_padding: bool
    dropout: float
    dropout_att: float
    stochastic_depth: float
    adapter_width: int
    adapters: tuple[Adapter, ...]
    dtype: Any
    attention_chunk: int = 1

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B T D"],
        context: LayerContext,
        drop_probability: Float[Array, ""] | float = 0.0,
        train: bool = False,
    ) -> Float[Array, "B T D"]:
        """Applies the layer; in training, skips it with `drop_probability` (stochastic depth, Huang et al., 2016)."""

        def norm(name: str, y: Float[Array, "B T D"]) -> tuple[Float[Array, "B T D"], Float[Array, "B T D"]]:
            """Returns y and its norm."""
            return LayerNorm(dtype=self.dtype, stream=True, name=name)(y, train=train)

        def feed_forward(name: str) -> FeedForward:
            return FeedForward(self.ff_expansion, self.use_bias, self.dropout, self.dtype, name=name)

        def dropout(y: Float[Array, "B T D"]) -> Float[Array, "B T D"]:
            return Dropout(self.dropout)(y, train=train)

        options: dict[str, Any] = dict(
            num_heads=self.num_heads,
            untied_biases=self.untied_biases,
            use_bias=self.use_bias,
            dropout=self.dropout_att,
            dtype=self.dtype,
            name="attention",
        )
        attention = self._local_attention(options) if self.attention == "rel_pos_local" else SelfAttention(**options)
        convolution = ConvolutionModule(
            self.conv_kernel,
            self.conv_context,
            self.conv_norm,
            self.conv_groups,
            self.norm_over_padding,
            self.use_bias,
            self.dtype,
            name="convolution",
        )

        def keep(y: Float[Array, "B T D"]) -> Float[Array, "B T D"]:
            """Marks a sum for the backward pass, which then needs no outputs of the modules."""
            return checkpoint_name(y, KEPT) if train else y

        frame_mask = context.frame_mask
        if self.dtype != jnp.float32:
            # If the mask did not depend on the layer's input, a scan would store it for all channels before its first
            # layer, and read that in every layer.
            x, frame_mask = jax.lax.optimization_barrier((x, frame_mask))
        y, normed = norm("norm_ff_in", x)
        y = keep(y + 0.5 * dropout(feed_forward("ff_in")(normed, train=train)))
        y, normed = norm("norm_attention", y)
        attended = attention(normed, context.attention_mask, context.positions, context.biases, train=train)
        y = keep(y + dropout(attended))
        for adapter in self._attending():
            positions = context.positions if adapter.kind == "relative" else None
            options = {"num_heads": adapter.num_heads, "inner_width": adapter.width, "dropout": adapter.dropout}
            attend = AttentionAdapter(**options, dtype=self.dtype, name=f"adapter_{adapter.name}")
            y += attend(y, context.attention_mask, positions, train=train)
        y, normed = norm("norm_convolution", y)
        y = keep(y + dropout(convolution(normed, frame_mask, context.chunk, train=train)))
        y, normed = norm("norm_ff_out", y)
        y = keep(y + 0.5 * dropout(feed_forward("ff_out")(normed, train=train)))
        y = LayerNorm(dtype=self.dtype, name="norm_out")(y, train=train)
        if self.adapter_width:
            y += LinearAdapter(self.adapter_width, self.dtype, name="adapter")(y)
        y = add_linear_adapters(self, y, self.adapters, dtype=self.dtype, train=train)

        if train and self.stochastic_depth > 0.0:
            kept = jax.random.bernoulli(self.make_rng("stochastic_depth"), 1.0 - drop_probability)
            y = x + jnp.where(kept, (y - x) / jnp.asarray(1.0 - drop_probability, y.dtype), 0.0).astype(y.dtype)
        return y

    def _attending(self) -> list[Adapter]:
        """The adapters that attend and are enabled; those that are not only have variables."""
        used = [adapter for adapter in self.adapters if adapter.kind in ATTENTION]
        return [adapter for adapter in used if adapter.enabled or self.is_initializing()]

    def _local_attention(self, options: dict[str, Any]) -> LocalSelfAttention:
        return LocalSelfAttention(
            context=self.attention_context,
            chunk=self.attention_chunk,
            global_frames=self.global_frames,
            global_spacing=self.global_spacing,
            global_projections=self.global_projections,
            **options,
        )
