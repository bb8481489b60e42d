"""Vocos: mel frames to samples, by ConvNeXt blocks at the frame rate and an inverse transform (Siuzdak, 2023).

x = norm(conv_7(mel))
x += scale * down(gelu(up(norm(depthwise_7(x)))))         for each block
magnitude, phase = exp(min(., log 100)), .                of each bin: out(norm(x))
samples = overlapped and added frames of irfft(magnitude e^(i phase)), each times the window, / sum of squared windows

All work is done at the frame rate, 86 Hz at a hop of 256 samples: products of [T, D] and [D, 3 D], and one real FFT a
frame. At the published size (512 channels, 8 blocks, 13.5M parameters) that is 2.3 GFLOP for a second of audio, a
twentieth of HiFi-GAN's. Frames beyond a row's end are zero where a convolution sees them, and left out of the sums.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.history import in_parts, with_history
from jaxspeech.nn.depthwise import depthwise_conv1d
from jaxspeech.nn.initializers import dense, uniform_within
from jaxspeech.nn.normalization import LayerNorm
from jaxspeech.nn.normed_convolution import NormedConv
from jaxspeech.nn.timeline import Timeline, delayed, timeline
from jaxspeech.overlap import overlap_add
from jaxspeech.row_parallel import over_rows

TAPS = 7
HALF = TAPS // 2
# The greatest magnitude of a bin.
LOG_MOST = math.log(100.0)
# Sums of squared windows below this are taken for zero.
NO_WEIGHT = 1e-8


class ConvNeXtBlock(nn.Module):
    """A depthwise convolution over time, then two dense layers (Liu et al., 2022).

    Attributes:
      hidden_width: between the dense layers.
      scale: initial factor of what is added.
    """

    hidden_width: int
    scale: float
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B T D"], mask: Bool[Array, "B T"]) -> Float[Array, "B T D"]:
        """Applies the block. In parts (see `history`), it is HALF frames late."""
        width = x.shape[-1]
        init = uniform_within(1 / math.sqrt(TAPS))
        kernel = self.param("kernel", init, (TAPS, width)).astype(self.dtype)
        bias = self.param("bias", init, (width,)).astype(self.dtype)
        y, padding = kept(x, mask), (HALF, HALF)
        if in_parts(self):
            y, padding = with_history(self, "past", y, 2 * HALF), (0, 0)
        y = LayerNorm(dtype=self.dtype, name="norm")(depthwise_conv1d(y, kernel, padding=padding) + bias)
        y = jax.nn.gelu(dense(self.hidden_width, width, name="up", dtype=self.dtype)(y))
        y = dense(width, self.hidden_width, name="down", dtype=self.dtype)(y)
        scale = self.param("scale", nn.initializers.constant(self.scale), (width,)).astype(self.dtype)
        return delayed(self, "input", x, HALF) + scale * y


class Vocos(nn.Module):
    """The generator.

    Attributes:
      width: D.
      hidden_width: of the blocks.
      num_layers: blocks.
      fft_size: of the inverse transform, and of its window.
      hop: samples from one mel frame.
      centred: whether a mel frame is centred on its first sample; otherwise it is on its middle, as with `exact_pad`.
    """

    width: int = 512
    hidden_width: int = 1536
    num_layers: int = 8
    fft_size: int = 1024
    hop: int = 256
    centred: bool = False
    dtype: Any = jnp.float32

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hop < 1 or self.fft_size % 2 or self.fft_size < 2 * self.hop or (self.fft_size - self.hop) % 2:
            raise ConfigError(
                f"generator: fft_size {self.fft_size} and hop {self.hop}: fft_size must be even and at least twice the "
                "hop, and their difference even"
            )

    @property
    def delay(self) -> int:
        """Frames by which the output is late in parts."""
        return self._late + -(-self._before // self.hop)

    @property
    def _late(self) -> int:
        """Frames by which the spectra are late in parts."""
        return (self.num_layers + 1) * HALF

    @property
    def _before(self) -> int:
        """Samples of the first frame before the first sample."""
        return self.fft_size // 2 if self.centred else (self.fft_size - self.hop) // 2

    @nn.compact
    def __call__(self, mel: Float[Any, "B T F"], num_frames: Int[Any, " B"]) -> Float[Array, "B S"]:
        """Computes samples, `hop` for each frame; zero beyond each row's frames, which may hold anything.

        In parts (see `history`), the samples are `delay` frames late.
        """
        line = timeline(self, num_frames, mel.shape[1])
        x = self._hidden(mel, line)
        bins = self.fft_size // 2 + 1
        x = dense(2 * bins, self.width, name="out", dtype=self.dtype)(x).astype(jnp.float32)
        magnitudes, phases = jnp.exp(jnp.minimum(x[..., :bins], LOG_MOST)), x[..., bins:]
        return self._samples(jax.lax.complex(magnitudes * jnp.cos(phases), magnitudes * jnp.sin(phases)), line)

    @nn.nowrap
    def _hidden(self, mel: Float[Any, "B T F"], line: Timeline) -> Float[Array, "B T D"]:
        """The blocks, within the compact method of a generator."""
        mel = jnp.asarray(mel, self.dtype)
        x = NormedConv(self.width, TAPS, norm="none", dtype=self.dtype, name="first")(kept(mel, line.mask()))
        x = LayerNorm(dtype=self.dtype, name="first_norm")(x)
        for i in range(self.num_layers):
            block = ConvNeXtBlock(self.hidden_width, 1 / self.num_layers, self.dtype, name=f"layers_{i}")
            x = block(x, line.mask(1, (i + 1) * HALF))
        return LayerNorm(dtype=self.dtype, name="last_norm")(x)

    @nn.nowrap
    def _samples(self, spectra: Array, line: Timeline) -> Float[Array, "B S"]:
        """Inverts the transform."""
        delay, size, hop = self._late, self.fft_size, self.hop
        window = jnp.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size), jnp.float32)
        real = line.mask(1, delay)
        spectra = jnp.where(real[..., None], spectra, 0)
        frames = over_rows(lambda x: jnp.fft.irfft(x, size), spectra) * window
        new, before = frames.shape[1], 0
        if in_parts(self):
            before = -(-size // hop) - 1
            frames = with_history(self, "frames", frames, before)
            real = with_history(self, "counted", real, before)
        squares = overlap_add(jnp.where(real[..., None], window**2, 0), hop)
        summed = overlap_add(frames, hop) / jnp.where(squares > NO_WEIGHT, squares, 1)
        first = before * hop if before else self._before
        samples = summed[:, first : first + new * hop, None]
        samples = delayed(self, "late", samples, (self.delay - delay) * hop - self._before)
        return kept(samples, line.mask(hop, self.delay * hop))[..., 0]


def kept(x: Float[Array, "B T D"], mask: Bool[Array, "B T"]) -> Float[Array, "B T D"]:
    """Zero where the mask is False."""
    return jnp.where(mask[..., None], x, jnp.zeros((), x.dtype))
