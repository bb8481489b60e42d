"""The residual layer of HiFi-GAN, "multi-receptive field fusion" (Kong et al., 2020).

y = mean over kernel sizes W of the chain over dilations d of  x + conv_{W, 1}(f(conv_{W, d}(f(x))))

with an activation f. The terms are zero beyond each row's frames, as the input must be.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.nn.codec_convolution import WaveConv1D, WavePadding
from jaxspeech.nn.wave_activation import WaveActivation, WaveActivations


class WaveResidual(nn.Module):
    """The layer; each convolution keeps the number of channels.

    Attributes:
      kernel_sizes: W of each chain.
      dilations: d of the blocks of every chain.
      activation, slope: see `WaveActivation`.
      padding: of the convolutions.
      norm: of their kernels, see `nn.normed_convolution`.
    """

    kernel_sizes: tuple[int, ...] = (3, 7, 11)
    dilations: tuple[int, ...] = (1, 3, 5)
    activation: WaveActivations = "leaky_relu"
    slope: float = 0.01
    padding: WavePadding = "zeros"
    norm: str = "weight"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Any, "B T C"], num_frames: Int[Any, " B"]) -> Float[Array, "B T C"]:
        """Applies the layer."""
        total = jnp.zeros((), x.dtype)
        for i, size in enumerate(self.kernel_sizes):
            y = x
            for j, dilation in enumerate(self.dilations):
                y += self._block(y, num_frames, size, dilation, f"chain_{i}_{j}")
            total += y
        return total / len(self.kernel_sizes)

    def _block(self, x: Array, num_frames: Any, size: int, dilation: int, name: str) -> Array:
        for part, step in (("wide", dilation), ("narrow", 1)):
            x = WaveActivation(self.activation, self.slope, name=f"{name}_{part}_activation")(x)
            convolve = WaveConv1D(
                channels=x.shape[-1],
                kernel_size=size,
                dilation=step,
                padding=self.padding,
                norm=self.norm,
                dtype=self.dtype,
                name=f"{name}_{part}",
            )
            x = convolve(x, num_frames)
        return x


def residual_reach(kernel_sizes: tuple[int, ...], dilations: tuple[int, ...]) -> int:
    """The most positions before one on which it depends, in a causal layer; in others it is half on each side."""
    return sum((max(kernel_sizes) - 1) * (dilation + 1) for dilation in dilations)
