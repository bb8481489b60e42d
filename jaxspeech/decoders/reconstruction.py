"""A decoder that predicts features, or targets made of them, from encoder frames.

x = W_in h;   x = norm(W a(x) convolved in time) for each layer;   y = W_out a(x)

The first layers change the frame rate by two, with transposed convolutions or strided ones; the others keep it.
Source: NeMo's ConvASRDecoderReconstruction (asr/modules/conv_asr.py), whose norm counts the padding.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.masks import length_mask, zero_padding
from jaxspeech.nn.depthwise import depthwise_conv1d
from jaxspeech.nn.normalization import BatchNorm

ACTIVATIONS = {"relu": jax.nn.relu, "gelu": lambda x: jax.nn.gelu(x, approximate=False), "swish": jax.nn.swish}
# That of these norms; the others of NeMo have 1e-5.
EPSILON = 1e-3


class ReconstructionDecoder(nn.Module):
    """Computes vectors from encoder frames.

    Attributes:
      width: of the result.
      hidden_width: of the layers.
      stride_layers: layers that change the frame rate.
      upsampling: whether they double it, instead of halving it.
      layers: layers that keep it.
      kernel_size: of their depthwise convolutions, odd and at least 3.
      activation: "relu", "gelu" or "swish".

    Raises:
      ConfigError: the kernel is too small or even, or there is no such activation.
    """

    width: int = 128
    hidden_width: int = 128
    stride_layers: int = 0
    upsampling: bool = True
    layers: int = 0
    kernel_size: int = 11
    activation: str = "relu"
    dtype: Any = jnp.float32

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.stride_layers or self.layers) and (self.kernel_size < 3 or self.kernel_size % 2 == 0):
            raise ConfigError(f"model.decoder.kernel_size is {self.kernel_size}; it must be odd, and at least 3")
        if self.activation not in ACTIVATIONS:
            raise ConfigError(f"model.decoder.activation is {self.activation!r}; it is one of {', '.join(ACTIVATIONS)}")

    @nn.compact
    def __call__(
        self, encoded: Float[Any, "B T D"], num_frames: Int[Any, " B"], *, train: bool = False
    ) -> tuple[Float[Array, "B N D2"], Int[Array, " B"]]:
        """Computes (vectors [B N width], num_vectors [B]); what follows a row's own is finite but meaningless."""
        num_frames = jnp.asarray(num_frames)
        act, glorot = ACTIVATIONS[self.activation], nn.initializers.glorot_uniform()

        def project(width: int, name: str) -> nn.Dense:
            return nn.Dense(width, dtype=self.dtype, kernel_init=glorot, name=name)

        x = project(self.hidden_width, "first")(encoded)
        for number in range(self.stride_layers + self.layers):
            stride = number < self.stride_layers
            x = zero_padding(act(x), num_frames)
            kernel = self.param(f"kernel_{number}", glorot, (self.kernel_size, self.hidden_width)).astype(self.dtype)
            bias = self.param(f"bias_{number}", nn.initializers.zeros, (self.hidden_width,)).astype(self.dtype)
            half = (self.kernel_size - 1) // 2
            if stride and self.upsampling:
                x, num_frames = _doubled(x, kernel), 2 * num_frames
            else:
                x = depthwise_conv1d(x, kernel, padding=(half, half))
                if stride:
                    x, num_frames = x[:, ::2], (num_frames + 1) // 2
            x = project(self.hidden_width, f"mix_{number}")(x + bias)
            mask = length_mask(num_frames, x.shape[1])
            x = BatchNorm(epsilon=EPSILON, dtype=self.dtype, name=f"norm_{number}")(x, mask, train=train)
        return project(self.width, "out")(act(x)), num_frames

    def frames_per(self, factor: int) -> int:
        """Returns how many features a vector covers, where an encoder frame covers `factor`.

        Raises:
          ConfigError: that is no whole number.
        """
        step = 2**self.stride_layers
        if self.upsampling and factor % step:
            raise ConfigError(f"model.decoder.stride_layers is {self.stride_layers}, more than the encoder subsamples")
        return factor // step if self.upsampling else factor * step


def _doubled(x: Float[Array, "B T D"], kernel: Float[Array, "W D"]) -> Float[Array, "B U D"]:
    """A transposed depthwise convolution of stride 2: y[2 t + i - W // 2] += kernel[i] x[t], 2 T frames."""
    size = len(kernel)
    spread = jnp.stack([x, jnp.zeros_like(x)], 2).reshape(x.shape[0], -1, x.shape[2])
    half = (size - 1) // 2
    return depthwise_conv1d(spread, kernel[::-1], padding=(half, half))
