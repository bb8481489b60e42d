"""A convolution over frames with a bias.

y[t] = bias + sum_i x[t + i - (W - 1) / 2] kernel[i],    zero outside
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.masks import zero_padding
from jaxspeech.nn import winograd
from jaxspeech.nn.grouped_convolution import convolve
from jaxspeech.nn.initializers import uniform_within

# The collection with the points of kernels (`nn.winograd`), where they are given: see `forms.kernel_points`.
POINTS = "points"


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
        taps, (b, t, width) = self.kernel_size, x.shape
        bound = self.gain * (6 / (taps * (width + self.channels))) ** 0.5
        kernel = self.param("kernel", uniform_within(bound), (taps, width, self.channels)).astype(self.dtype)
        x = zero_padding(x, num_frames).astype(self.dtype)
        if self.has_variable(POINTS, "kernel") and x.dtype == jnp.float32 and b * t >= winograd.LONG:
            y = winograd.convolve_points(x, self.get_variable(POINTS, "kernel"))
        else:
            y = convolve(x, kernel, padding=((taps - 1) // 2, taps // 2))
        if not self.use_bias:
            return y
        bias = self.param("bias", uniform_within((taps * width) ** -0.5), (self.channels,))
        return y + bias.astype(self.dtype)
