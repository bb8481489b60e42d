"""The Squeezeformer layer (Kim et al., 2022): branches have a learned scale and bias instead of a norm before them.

x = norm(x + MHSA(scale x));  x = norm(x + FF(scale x));  x = norm(x + Conv(scale x));  x = norm(x + FF(scale x))
"""

from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from jaxspeech.encoders.conformer_layer import LayerContext
from jaxspeech.nn.attention import SelfAttention
from jaxspeech.nn.convolution import ConvolutionModule, Norm
from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.feedforward import FeedForward
from jaxspeech.nn.normalization import LayerNorm


class ScaleBias(nn.Module):
    """Computes y = scale x + bias, with a scale and a bias per channel."""

    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "B T D"]) -> Float[Array, "B T D"]:
        scale = self.param("scale", nn.initializers.ones_init(), (x.shape[-1],))
        bias = self.param("bias", nn.initializers.zeros_init(), (x.shape[-1],))
        return x * scale.astype(self.dtype) + bias.astype(self.dtype)


class SqueezeformerLayer(nn.Module):
    """One Squeezeformer layer; its fields are those of the same name in `Squeezeformer`."""

    num_heads: int
    ff_expansion: int
    untied_biases: bool
    conv_kernel: int
    conv_norm: Norm
    norm_over_padding: bool
    dropout: float
    dropout_att: float
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "B T D"], context: LayerContext, train: bool = False) -> Float[Array, "B T D"]:
        def scaled(name: str) -> Float[Array, "B T D"]:
            return ScaleBias(self.dtype, name=f"scale_{name}")(x)

        def added(name: str, branch: Float[Array, "B T D"]) -> Float[Array, "B T D"]:
            y = x + Dropout(self.dropout)(branch, train=train)
            return LayerNorm(dtype=self.dtype, name=f"norm_{name}")(y)

        def feed_forward(name: str) -> FeedForward:
            return FeedForward(self.ff_expansion, dropout=self.dropout, dtype=self.dtype, name=name)

        attention = SelfAttention(
            num_heads=self.num_heads,
            untied_biases=self.untied_biases,
            dropout=self.dropout_att,
            dtype=self.dtype,
            name="attention",
        )
        convolution = ConvolutionModule(
            kernel_size=self.conv_kernel,
            norm=self.conv_norm,
            norm_over_padding=self.norm_over_padding,
            dtype=self.dtype,
            gated=False,
            name="convolution",
        )
        seen = (context.attention_mask, context.positions, context.biases)
        x = added("attention", attention(scaled("attention"), *seen, train=train))
        x = added("ff_in", feed_forward("ff_in")(scaled("ff_in"), train=train))
        x = added("convolution", convolution(scaled("convolution"), context.frame_mask, train=train))
        return added("ff_out", feed_forward("ff_out")(scaled("ff_out"), train=train))
