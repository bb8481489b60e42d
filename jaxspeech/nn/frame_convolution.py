"""A convolution over frames with a bias, computed as one matrix product.

y[t] = bias + sum_i x[t + i - (W - 1) / 2] kernel[i],    zero outside

Either neighbouring frames are laid side by side, [B T W D_in] [W D_in D], or each frame is multiplied by all taps,
[B T D_in] [D_in W D], and the products are shifted and added: whichever copies the narrower side. The floor is what a
convolution takes, 2 T W D_in D operations, but the gradients are products too: XLA computes those of a convolution on a
CPU with a tenth of the speed.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.masks import zero_padding
from jaxspeech.nn.initializers import uniform_within
from jaxspeech.nn.products import einsum


class FrameConv1D(nn.Module):
    """Convolves frames; padded frames count as zeros, so that a row does not depend on its batch.

    Attributes:
      channels: of the output.
      kernel_size: W, in frames, odd.
      gain: the kernel is drawn from U(-a, a) with a = gain sqrt(6 / (W D_in + W D)); 2^0.5 before a ReLU.
      use_bias: the bias is drawn from U(-1 / sqrt(W D_in), 1 / sqrt(W D_in)), as PyTorch draws it.
    """

    channels: int
    kernel_size: int
    gain: float = 1.0
    use_bias: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B T D_in"], num_frames: Int[Array, " B"]) -> Float[Array, "B T D"]:
        """Returns the convolved frames; those at and beyond num_frames hold what the formula gives, not zeros."""
        taps, width = self.kernel_size, x.shape[-1]
        bound = self.gain * (6 / (taps * (width + self.channels))) ** 0.5
        kernel = self.param("kernel", uniform_within(bound), (taps, width, self.channels)).astype(self.dtype)
        y = convolve_frames(zero_padding(x, num_frames).astype(self.dtype), kernel)
        if not self.use_bias:
            return y
        bias = self.param("bias", uniform_within((taps * width) ** -0.5), (self.channels,))
        return y + bias.astype(self.dtype)


def convolve_frames(x: Float[Array, "B T D_in"], kernel: Float[Array, "W D_in D"]) -> Float[Array, "B T D"]:
    """Convolves whole rows with a kernel of an odd number of taps."""
    taps, width, channels = kernel.shape
    before = (taps - 1) // 2
    if channels >= width or taps == 1:
        windows = side_by_side(x, taps)
        return einsum("btk,kn->btn", windows, kernel.reshape(taps * width, channels))
    products = einsum("btk,kn->btn", x, kernel.transpose(1, 0, 2).reshape(width, taps * channels))
    products = jnp.pad(products, ((0, 0), (taps - 1 - before, before), (0, 0)))
    # Frame t of the output gets tap i of frame t + i - before.
    parts = [products[:, i : i + x.shape[1], i * channels : (i + 1) * channels] for i in range(taps)]
    return sum(parts[1:], parts[0])


def side_by_side(x: Float[Array, "B T D"], taps: int) -> Float[Array, "B T W"]:
    """Returns each frame and its neighbours, `taps` frames of D channels in W = taps D, zeros outside."""
    if taps == 1:
        return x
    before = (taps - 1) // 2
    padded = jnp.pad(x, ((0, 0), (before, taps - 1 - before), (0, 0)))
    return jnp.concatenate([padded[:, i : i + x.shape[1]] for i in range(taps)], axis=-1)
