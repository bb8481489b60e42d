"""The Conformer's convolution module.

y = W_out swish(norm(depthwise(mask(glu(W_in x)))))          ungated: swish in place of the GLU, and twice the width
"""

from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.history import in_parts, with_history
from jaxspeech.masks import keep_frames
from jaxspeech.nn.depthwise import DepthwiseConv1D
from jaxspeech.nn.initializers import dense
from jaxspeech.nn.materialize import materialize
from jaxspeech.nn.normalization import BatchNorm, GroupNorm, LayerNorm

Norm = Literal["batch", "layer", "group"]


class ConvolutionModule(nn.Module):
    """Pointwise, GLU, depthwise, norm, swish, pointwise (Gulati et al., 2020, section 2.2), without the first norm.

    Attributes:
      kernel_size: of the depthwise convolution, in frames.
      context: frames that its kernel covers on the left and on the right; None is half the kernel on each side.
      norm, norm_groups: kind of the norm after the depthwise convolution, and the groups of a group norm.
      norm_over_padding: whether padded frames count in the statistics of a batch or group norm.
      gated: True for a GLU, False for a swish (Kim et al., 2022).
    """

    kernel_size: int = 9
    context: tuple[int, int] | None = None
    norm: Norm = "batch"
    norm_groups: int = 1
    norm_over_padding: bool = False
    use_bias: bool = True
    dtype: Any = jnp.float32
    gated: bool = True

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B T D"],
        mask: Bool[Array, "B T"],
        chunk: Int[Array, ""] | None = None,
        *,
        train: bool = False,
    ) -> Float[Array, "B T D"]:
        """Applies the module; with `chunk`, the convolution sees no frame after the output frame's chunk."""
        width = x.shape[-1]
        x = dense(2 * width, width, name="pointwise_in", dtype=self.dtype, use_bias=self.use_bias)(x)
        x = jax.nn.glu(x) if self.gated else jax.nn.swish(x)
        x = keep_frames(x, mask)
        half = (self.kernel_size - 1) // 2
        padding = self.context or (half, half)
        if in_parts(self):
            x, padding = with_history(self, "gated", x, padding[0]), (0, padding[1])
        x = DepthwiseConv1D(self.kernel_size, padding, self.use_bias, self.dtype, name="depthwise")(x, chunk)
        x = materialize(x) if train else x
        counted = jnp.ones_like(mask) if self.norm_over_padding else mask
        match self.norm:
            case "batch":
                x = BatchNorm(dtype=self.dtype, name="norm")(x, counted, train=train)
            case "group":
                x = GroupNorm(self.norm_groups, dtype=self.dtype, name="norm")(x, counted)
            case "layer":
                x = LayerNorm(dtype=self.dtype, name="norm")(x)
        return dense(width, x.shape[-1], name="pointwise_out", dtype=self.dtype, use_bias=self.use_bias)(
            jax.nn.swish(x)
        )
