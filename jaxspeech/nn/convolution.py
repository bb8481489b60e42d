"""The Conformer's convolution module and the depthwise convolutions that it and the subsampling are made of.

y = W_out swish(norm(depthwise(mask(glu(W_in x)))))          with a swish in place of the GLU twice as wide
"""

import math
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxspeech.nn.initializers import dense, uniform_within
from jaxspeech.nn.normalization import BatchNorm, GroupNorm, LayerNorm

Norm = Literal["batch", "layer", "group"]


def depthwise_conv1d(
    x: Float[Array, "B T D"], kernel: Float[Array, "W D"], *, padding: tuple[int, int]
) -> Float[Array, "B T_out D"]:
    """Each channel convolved along time with its own kernel, after zero padding of (left, right) frames."""
    return shifted_multiply_adds(jnp.pad(x, ((0, 0), padding, (0, 0))), kernel)


@jax.jit
@jax.checkpoint
def shifted_multiply_adds(x: Float[Array, "B T D"], kernel: Float[Array, "W D"]) -> Float[Array, "B T_out D"]:
    """The depthwise convolution as W shifted multiply-adds.

    XLA fuses them into one pass over memory, where its grouped convolution is tens of times slower on a CPU, its
    gradient most of all. The checkpoint keeps the input for the backward pass instead of its W views. The jit gives it
    a name in the jaxpr, by which an exporter knows the convolution.
    """
    num_frames = x.shape[1] - len(kernel) + 1
    return sum((x[:, i : i + num_frames] * tap for i, tap in enumerate(kernel)), jnp.zeros((), x.dtype))


class DepthwiseConv1D(nn.Module):
    """`depthwise_conv1d` with its parameters."""

    kernel_size: int
    padding: tuple[int, int]
    use_bias: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B T D"]) -> Float[Array, "B T_out D"]:
        width = x.shape[-1]
        init = uniform_within(1.0 / math.sqrt(self.kernel_size))
        kernel = self.param("kernel", init, (self.kernel_size, width)).astype(self.dtype)
        y = depthwise_conv1d(x.astype(self.dtype), kernel, padding=self.padding)
        return y + self.param("bias", init, (width,)).astype(self.dtype) if self.use_bias else y


class ConvolutionModule(nn.Module):
    """Pointwise, GLU, depthwise, norm, swish, pointwise (Gulati et al., 2020, section 2.2), without its first norm.

    Attributes:
      kernel_size: of the depthwise convolution, in frames.
      context: frames that it sees on the left and on the right; None is half the kernel on each side.
      norm, norm_groups: what follows the depthwise convolution; the groups of a group norm.
      norm_over_padding: whether padded frames count in the statistics of a batch or group norm.
      gated: a GLU, or the swish (Kim et al., 2022).
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
        self, x: Float[Array, "B T D"], mask: Bool[Array, "B T"], *, train: bool = False
    ) -> Float[Array, "B T D"]:
        width = x.shape[-1]
        x = dense(2 * width, width, name="pointwise_in", dtype=self.dtype, use_bias=self.use_bias)(x)
        x = jax.nn.glu(x) if self.gated else jax.nn.swish(x)
        x = jnp.where(mask[:, :, None], x, jnp.zeros((), x.dtype))
        half = (self.kernel_size - 1) // 2
        padding = self.context or (half, half)
        x = DepthwiseConv1D(self.kernel_size, padding, self.use_bias, self.dtype, name="depthwise")(x)
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
