"""Convolutions of spectra with few channels, which are fast on a CPU.

y[n, o, d] = sum_{i, j, c} x[n + i - 1, stride o + j - W // 2, c] kernel[i, j, c, d],    zero outside

With few channels XLA computes them at a twentieth of a CPU's speed. So `fold` neighbouring bins become channels: an
image of F / fold bins with fold C channels, whose kernel has 3 x 3 taps, a band of W bins in each:

K[i, b, (p, c), (q, d)] = kernel[i, fold (b - 1) + p - stride q + W // 2, c, d]

This multiplies by some zeros, 3 fold instead of W for each output, at a CPU's speed.
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxspeech.nn.image_conv import DIMENSIONS, conv3x3, scaled_glorot

# Channels that folding makes at least: 32 are as fast, and 64 half as fast, as more of the band is zero.
FULL = 16


def convolve_bins(
    x: Float[Array, "B N F C"], kernel: Float[Array, "3 W C D"], *, stride: int = 1
) -> Float[Array, "B N F_out D"]:
    """Convolves 3 frames and an odd number W of bins; there are ceil(F / stride) bins then."""
    reach = kernel.shape[1] // 2
    together = partial(
        jax.lax.conv_general_dilated,
        window_strides=(1, stride),
        padding=((1, 1), (reach, reach)),
        dimension_numbers=DIMENSIONS,
    )
    return jax.lax.platform_dependent(x, kernel, cpu=partial(_folded, stride=stride), default=together)


def _folded(x: Float[Array, "B N F C"], kernel: Float[Array, "3 W C D"], *, stride: int) -> Float[Array, "B N F_out D"]:
    b, n, f, c = x.shape
    taps, d = kernel.shape[1], kernel.shape[3]
    fold = max(taps // 2, -(-FULL // c))
    fold += -fold % stride
    # Which tap lies between bin q of the output and bin p of the blocks before, at and after it.
    block, place, out = np.ogrid[-1:2, :fold, : fold // stride]
    tap = fold * block + place - stride * out + taps // 2
    chosen = (tap[..., None] == np.arange(taps)).astype(x.dtype)
    band = jnp.einsum("ijcd,bpqj->ibpcqd", kernel, chosen).reshape(3, 3, fold * c, fold // stride * d)
    x = jnp.pad(x, ((0, 0), (0, 0), (0, -f % fold), (0, 0))).reshape(b, n, -1, fold * c)
    return conv3x3(x, band).reshape(b, n, -1, d)[:, :, : -(-f // stride)]


class BinConv(nn.Module):
    """`convolve_bins` with a bias.

    Attributes:
      channels: of the output.
      taps: W.
      stride: of the bins.
    """

    channels: int
    taps: int
    stride: int = 1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B N F C"]) -> Float[Array, "B N F_out D"]:
        kernel = self.param("kernel", scaled_glorot(), (3, self.taps, x.shape[-1], self.channels))
        bias = self.param("bias", nn.initializers.zeros_init(), (self.channels,))
        kernel, bias = kernel.astype(self.dtype), bias.astype(self.dtype)
        return convolve_bins(x.astype(self.dtype), kernel, stride=self.stride) + bias
