"""Convolutions along time, plain or separable, for the convolutional encoders.

y[t] = sum_i x[stride t + dilation (i - (W - 1) + A)] kernel[i],    zero outside;  A = (W - 1) / 2 unless it is given
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.masks import zero_padding
from jaxspeech.nn.depthwise import same_depthwise_conv1d
from jaxspeech.nn.initializers import convolutional
from jaxspeech.nn.products import einsum


class TimeConv1D(nn.Module):
    """A convolution along time without bias, plain or split into depthwise and pointwise (Kriman et al., 2019).

    Attributes:
      channels: of the output.
      kernel_size: in frames, odd.
      stride, dilation: of the kernel; one of them is 1.
      separable: depthwise, then pointwise.
      look_ahead: A, the taps after the output's frame; None: as many as before it.
      weight_init: see `nn.initializers`.
    """

    channels: int
    kernel_size: int
    stride: int = 1
    dilation: int = 1
    separable: bool = False
    look_ahead: int | None = None
    weight_init: str = "xavier_uniform"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T D_in"], num_frames: Int[Array, " B"]
    ) -> tuple[Float[Array, "B T_out D"], Int[Array, " B"]]:
        """Returns the convolved frames and their number; frames beyond num_frames are ignored."""
        x = zero_padding(x, num_frames).astype(self.dtype)
        num_frames = -(-num_frames // self.stride)
        width, taps = x.shape[-1], self.kernel_size
        if self.separable:
            depthwise = self._weight("depthwise", (taps, width), fan_in=taps, fan_out=taps * width)
            reach = {"dilation": self.dilation, "look_ahead": self.look_ahead}
            x = same_depthwise_conv1d(x, depthwise, stride=self.stride, **reach)
            x = zero_padding(x, num_frames)
        elif taps == 1:
            x = x[:, :: self.stride]
        if self.separable or taps == 1:
            pointwise = self._weight("pointwise", (width, self.channels), width, self.channels)
            return einsum("btk,kn->btn", x, pointwise), num_frames

        kernel = self._weight("kernel", (taps, width, self.channels), taps * width, taps * self.channels)
        after = taps // 2 if self.look_ahead is None else self.look_ahead
        y = jax.lax.conv_general_dilated(
            x,
            kernel,
            (self.stride,),
            [(self.dilation * (taps - 1 - after), self.dilation * after)],
            rhs_dilation=(self.dilation,),
            dimension_numbers=("NWC", "WIO", "NWC"),
        )
        return y, num_frames

    def _weight(self, name: str, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
        return self.param(name, convolutional(self.weight_init, fan_in, fan_out), shape).astype(self.dtype)
