"""Convolutions along time with kernels of up to a hundred taps: depthwise ones, and the separable layer made of them.

y[t, c] = sum_i kernel[i, c] x[stride t + dilation (i - (W - 1) / 2), c],    zero outside
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.masks import zero_padding
from jaxspeech.nn.convolution import depthwise_conv1d
from jaxspeech.nn.initializers import convolutional

# Frames of the blocks in which a kernel's gradient is summed.
BLOCK = 64
# With fewer taps, the gradient of the shifted multiply-adds is as fast.
SHORT = 16


def same_depthwise_conv1d(
    x: Float[Array, "B T D"], kernel: Float[Array, "W D"], *, stride: int = 1, dilation: int = 1
) -> Float[Array, "B T_out D"]:
    """Each channel convolved with its own kernel of odd length, centred; ceil(T / stride) frames come out.

    A dilated kernel runs over each of its `dilation` interleaved rows of frames, side by side as channels. Of a strided
    convolution XLA computes only the frames that are kept.
    """
    b, t, width = x.shape
    groups = (t - 1) // dilation + 1
    x = jnp.pad(x, ((0, 0), (0, groups * dilation - t), (0, 0))).reshape(b, groups, dilation * width)
    kernel = jnp.tile(kernel, dilation)
    half = len(kernel) // 2
    convolve = _valid if len(kernel) <= SHORT else _valid_with_blocked_gradient
    y = convolve(jnp.pad(x, ((0, 0), (half, half), (0, 0))), kernel)
    return y.reshape(b, -1, width)[:, :t:stride]


def _valid(x: Float[Array, "B T D"], kernel: Float[Array, "W D"]) -> Float[Array, "B T_out D"]:
    return depthwise_conv1d(x, kernel, padding=(0, 0))


@jax.custom_vjp
def _valid_with_blocked_gradient(x: Float[Array, "B T D"], kernel: Float[Array, "W D"]) -> Float[Array, "B T_out D"]:
    """`_valid`, whose own gradient would pass over the whole input once for every tap (5 times slower at 87 taps)."""
    return _valid(x, kernel)


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return _valid(x, kernel), (x, kernel)


def _backward(saved: tuple[Array, Array], gradient: Float[Array, "B T_out D"]) -> tuple[Array, Array]:
    x, kernel = saved
    taps = len(kernel)
    return (
        depthwise_conv1d(gradient, kernel[::-1], padding=(taps - 1, taps - 1)),
        kernel_gradient(x, gradient).astype(kernel.dtype),
    )


_valid_with_blocked_gradient.defvjp(_forward, _backward)


def kernel_gradient(x: Float[Array, "B T D"], gradient: Float[Array, "B T_out D"]) -> Float[Array, "W D"]:
    """sum over b and t of x[b, t + i] gradient[b, t], for i from 0 to T - T_out.

    For each block of S frames all products between its S gradients and the S + W - 1 inputs that they meet are a matrix
    product; those at one distance i lie on a diagonal of its result.
    """
    b, t, width = gradient.shape
    taps = x.shape[1] - t + 1
    blocks, reach = -(-t // BLOCK), BLOCK + taps - 1
    rest = ((0, 0), (0, blocks * BLOCK - t), (0, 0))
    x = jnp.pad(x, rest)
    rows = jnp.pad(gradient, rest).reshape(b, blocks, BLOCK, width)
    windows = jnp.stack([x[:, BLOCK * i : BLOCK * i + reach] for i in range(blocks)], 1)
    products = jnp.einsum("bmsd,bmrd->dsr", rows, windows, preferred_element_type=jnp.float32)
    # Row s of [S, R] begins at its diagonal when the rows are read as if they were one longer.
    flat = jnp.pad(products.reshape(width, BLOCK * reach), ((0, 0), (0, BLOCK)))
    return flat.reshape(width, BLOCK, reach + 1)[:, :, :taps].sum(1).T


class TimeConv1D(nn.Module):
    """A convolution along time without bias, plain or split into depthwise and pointwise (Kriman et al., 2019).

    Attributes:
      channels: of the output.
      kernel_size: in frames, odd.
      stride, dilation: of the kernel; one of them is 1.
      separable: depthwise, then pointwise.
      weight_init: see `nn.initializers`.
    """

    channels: int
    kernel_size: int
    stride: int = 1
    dilation: int = 1
    separable: bool = False
    weight_init: str = "xavier_uniform"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T D_in"], num_frames: Int[Array, " B"]
    ) -> tuple[Float[Array, "B T_out D"], Int[Array, " B"]]:
        """The convolved frames, and their number; what lies beyond num_frames is not looked at."""
        x = zero_padding(x, num_frames).astype(self.dtype)
        num_frames = -(-num_frames // self.stride)
        width, taps = x.shape[-1], self.kernel_size
        if self.separable:
            depthwise = self._weight("depthwise", (taps, width), fan_in=taps, fan_out=taps * width)
            x = same_depthwise_conv1d(x, depthwise, stride=self.stride, dilation=self.dilation)
            x = zero_padding(x, num_frames)
        elif taps == 1:
            x = x[:, :: self.stride]
        if self.separable or taps == 1:
            return x @ self._weight("pointwise", (width, self.channels), width, self.channels), num_frames

        kernel = self._weight("kernel", (taps, width, self.channels), taps * width, taps * self.channels)
        half = self.dilation * (taps // 2)
        y = jax.lax.conv_general_dilated(
            x,
            kernel,
            (self.stride,),
            [(half, half)],
            rhs_dilation=(self.dilation,),
            dimension_numbers=("NWC", "WIO", "NWC"),
        )
        return y, num_frames

    def _weight(self, name: str, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
        return self.param(name, convolutional(self.weight_init, fan_in, fan_out), shape).astype(self.dtype)
