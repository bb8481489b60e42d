"""The decoder of a neural codec: HiFi-GAN's generator (Kong et al., 2020), with the variants of NanoCodec (2025).

x = conv(frames);   for each rate r:  x = residual(up_r(f(x)))   with half the channels;   y = output(conv(f(x)))

With causal convolutions it decodes frame by frame (see `jaxspeech.history`): each convolution keeps its last d (W - 1)
inputs, and each transposed one its last input, so that parts of any length give the samples of the whole.
"""

from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.nn.codec_convolution import WaveConv1D, WavePadding, WaveUpsample
from jaxspeech.nn.wave_activation import WaveActivation, WaveActivations
from jaxspeech.nn.wave_residual import WaveResidual, residual_reach


class CodecDecoder(nn.Module):
    """From frames to waveforms.

    Attributes:
      rates: r of each stage; their product is the number of samples of a frame.
      channels: after the first convolution.
      kernel_sizes, dilations: of the residual layers.
      first_kernel, last_kernel: taps of the first and of the last convolution.
      activation: see `WaveActivation`.
      output: what keeps samples within [-1, 1]: "tanh", or "clamp".
      padding: "causal": a sample depends on no later frame.
      grouped: whether each channel of a transposed convolution is made of two alone.
      kernel_norm: see `nn.normed_convolution`.
    """

    rates: tuple[int, ...] = (8, 8, 2, 2)
    channels: int = 512
    kernel_sizes: tuple[int, ...] = (3, 7, 11)
    dilations: tuple[int, ...] = (1, 3, 5)
    first_kernel: int = 7
    last_kernel: int = 3
    activation: WaveActivations = "leaky_relu"
    output: Literal["tanh", "clamp"] = "tanh"
    padding: WavePadding = "reflect"
    grouped: bool = False
    kernel_norm: str = "weight"
    dtype: Any = jnp.float32

    @property
    def reach(self) -> int:
        """The most frames on one side on which the samples of a frame can depend."""
        positions = self.last_kernel - 1
        for rate in reversed(self.rates):
            positions = -(-(positions + residual_reach(self.kernel_sizes, self.dilations)) // rate) + 1
        return positions + self.first_kernel - 1

    @nn.compact
    def __call__(
        self, frames: Float[Any, "B T D"], num_frames: Int[Any, " B"]
    ) -> tuple[Float[Array, "B S"], Int[Array, " B"]]:
        """Decodes frames, which must be zero beyond a row's own; the samples are zero there too."""
        normed: dict[str, Any] = {"norm": self.kernel_norm, "dtype": self.dtype}
        conv: dict[str, Any] = {"padding": self.padding, **normed}
        x, length = frames, num_frames
        x = WaveConv1D(self.channels, self.first_kernel, name="first", **conv)(x, length)
        for i, rate in enumerate(self.rates):
            x = WaveActivation(self.activation, name=f"activation_{i}")(x)
            up = WaveUpsample(
                x.shape[-1] // 2,
                rate,
                causal=self.padding == "causal",
                grouped=self.grouped,
                name=f"upsampling_{i}",
                **normed,
            )
            x, length = up(x, length)
            layer = WaveResidual(
                self.kernel_sizes, self.dilations, activation=self.activation, name=f"residual_{i}", **conv
            )
            x = layer(x, length)
        x = WaveActivation(self.activation, name="last_activation")(x)
        x = WaveConv1D(1, self.last_kernel, name="last", **conv)(x, length)[:, :, 0].astype(jnp.float32)
        return (jnp.tanh(x) if self.output == "tanh" else jnp.clip(x, -1.0, 1.0)), length
