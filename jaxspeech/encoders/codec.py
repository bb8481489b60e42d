"""The encoder of a neural codec: HiFi-GAN's generator turned round (Langman et al., "Spectral Codecs", 2024).

x = conv(samples);   for each rate r:  x = down_r(f(residual(x)))   with twice the channels;   y = conv(f(x))

Of S samples there remain S / (r_1 r_2 ...) frames.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.nn.codec_convolution import WaveConv1D, WaveDownsample, WavePadding
from jaxspeech.nn.wave_activation import WaveActivation, WaveActivations
from jaxspeech.nn.wave_residual import WaveResidual, residual_reach


class CodecEncoder(nn.Module):
    """From waveforms to frames.

    Attributes:
      width: D of the frames.
      rates: r of each stage; their product is the number of samples of a frame.
      channels: after the first convolution.
      kernel_sizes, dilations: of the residual layers.
      first_kernel, last_kernel: taps of the first and of the last convolution.
      activation: see `WaveActivation`.
      padding: "causal": a frame depends on no later samples.
      kernel_norm: see `nn.normed_convolution`.
    """

    width: int
    rates: tuple[int, ...] = (2, 2, 8, 8)
    channels: int = 32
    kernel_sizes: tuple[int, ...] = (3, 7, 11)
    dilations: tuple[int, ...] = (1, 3, 5)
    first_kernel: int = 7
    last_kernel: int = 7
    activation: WaveActivations = "leaky_relu"
    padding: WavePadding = "reflect"
    kernel_norm: str = "weight"
    dtype: Any = jnp.float32

    @property
    def reach(self) -> int:
        """The most frames on one side on which a frame can depend."""
        unit, samples = 1, self.first_kernel - 1
        for rate in self.rates:
            samples += unit * (residual_reach(self.kernel_sizes, self.dilations) + 2 * rate)
            unit *= rate
        return -(-samples // unit) + self.last_kernel - 1

    @nn.compact
    def __call__(
        self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"]
    ) -> tuple[Float[Array, "B T D"], Int[Array, " B"]]:
        """Encodes waveforms; samples beyond a row's own must be zero, and S a multiple of a frame's samples."""
        conv: dict[str, Any] = {"padding": self.padding, "norm": self.kernel_norm, "dtype": self.dtype}
        x, length = samples[:, :, None], num_samples
        x = WaveConv1D(self.channels, self.first_kernel, name="first", **conv)(x, length)
        for i, rate in enumerate(self.rates):
            layer = WaveResidual(
                self.kernel_sizes, self.dilations, activation=self.activation, name=f"residual_{i}", **conv
            )
            x = layer(x, length)
            x = WaveActivation(self.activation, name=f"activation_{i}")(x)
            x, length = WaveDownsample(2 * x.shape[-1], rate, name=f"down_{i}", **conv)(x, length)
        x = WaveActivation(self.activation, name="last_activation")(x)
        return WaveConv1D(self.width, self.last_kernel, name="last", **conv)(x, length), length
