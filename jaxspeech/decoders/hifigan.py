"""HiFi-GAN: mel frames to samples, by transposed convolutions with residual blocks between (Kong et al., 2020).

x = conv_7(mel)
for each rate:
    x = upsample(lrelu(x))                                half as many channels
    x = mean over blocks of block(x)                      one for each size of kernel
samples = tanh(conv_7(lrelu(x)))                          slope 0.01, elsewhere 0.1

block, of pairs:    x += conv(lrelu(conv_d(lrelu(x))))    for each dilation d
block, single:      x += conv_d(lrelu(x))

Frames beyond a row's end are zero in every layer, so that a row is the same in every batch. Nearly all of the work is
products of [T, W C] and [W C, C]: for v1 51 GFLOP a second of audio at 22.05 kHz, which is its floor on a CPU.
NeMo 3.0.0: tts/modules/hifigan_modules.py.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.nn.normed_convolution import NormedConv, NormedUpsampling, check_norm
from jaxspeech.nn.timeline import Timeline, delayed, timeline

BLOCKS = ("pairs", "single")
SLOPE, LAST_SLOPE = 0.1, 0.01
OUTER_TAPS = 7


class ResidualBlock(nn.Module):
    """Dilated convolutions, each added to its input.

    Attributes:
      kernel_size: odd.
      dilations: of the convolutions.
      pairs: whether each is followed by one without dilation.
      norm, dtype: see `nn.normed_convolution`.
    """

    kernel_size: int
    dilations: tuple[int, ...]
    pairs: bool
    norm: str
    dtype: Any = jnp.float32

    @property
    def look_ahead(self) -> int:
        """Positions that the block looks ahead."""
        half = self.kernel_size // 2
        return half * (sum(self.dilations) + self.pairs * len(self.dilations))

    @nn.compact
    def __call__(self, x: Float[Array, "B T D"], line: Timeline, rate: int, delay: int) -> Float[Array, "B T D"]:
        """Applies the block to frames of which `rate` come from one mel frame, and that are `delay` late."""
        half, width = self.kernel_size // 2, x.shape[-1]
        for i, dilation in enumerate(self.dilations):
            ahead = half * dilation
            y = _activated(x, line.mask(rate, delay))
            y = self._conv(width, f"dilated_{i}", dilation)(y)
            if self.pairs:
                y = self._conv(width, f"plain_{i}", 1)(_activated(y, line.mask(rate, delay + ahead)))
                ahead += half
            x = delayed(self, f"input_{i}", x, ahead) + y
            delay += ahead
        return x

    def _conv(self, width: int, name: str, dilation: int) -> NormedConv:
        return NormedConv(width, self.kernel_size, dilation=dilation, norm=self.norm, dtype=self.dtype, name=name)


class HiFiGAN(nn.Module):
    """The generator. The defaults are those of v1 for a hop of 256 samples.

    Attributes:
      channels: after the first convolution; each upsampling halves them.
      rates: of the upsamplings; their product is the hop.
      kernels: of the upsamplings; kernel - rate is even.
      block: "pairs" (v1, v2) or "single" (v3).
      block_kernels, block_dilations: of the blocks.
      kernel_norm: "weight", or "none" for a model whose norms have been multiplied in.
    """

    channels: int = 512
    rates: tuple[int, ...] = (8, 8, 2, 2)
    kernels: tuple[int, ...] = (16, 16, 4, 4)
    block: str = "pairs"
    block_kernels: tuple[int, ...] = (3, 7, 11)
    block_dilations: tuple[tuple[int, ...], ...] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))
    kernel_norm: str = "weight"
    dtype: Any = jnp.float32

    def __post_init__(self) -> None:
        super().__post_init__()
        check_norm(self.kernel_norm)
        if self.block not in BLOCKS:
            raise ConfigError(f"generator.block cannot be {self.block!r} (can be {', '.join(BLOCKS)})")
        if len(self.rates) != len(self.kernels) or len(self.block_kernels) != len(self.block_dilations):
            raise ConfigError("generator: rates and kernels, or block_kernels and block_dilations, differ in number")
        for rate, kernel in zip(self.rates, self.kernels, strict=True):
            if kernel < rate or (kernel - rate) % 2:
                raise ConfigError(
                    f"generator.kernels: {kernel} is no kernel for rate {rate}: kernel - rate is 0, 2, 4, ..."
                )
        if any(kernel % 2 == 0 for kernel in self.block_kernels):
            raise ConfigError(f"generator.block_kernels are {self.block_kernels}: they must be odd")
        if self.channels % 2 ** len(self.rates):
            raise ConfigError(f"generator.channels is {self.channels}: not a multiple of {2 ** len(self.rates)}")

    @property
    def hop(self) -> int:
        """Samples from one mel frame."""
        return math.prod(self.rates)

    @property
    def delay(self) -> int:
        """Frames by which the output is late in parts."""
        delay = OUTER_TAPS // 2
        for rate, kernel in zip(self.rates, self.kernels, strict=True):
            delay = delay * rate + (kernel - rate) // 2 + self._most_ahead
        return -(-(delay + OUTER_TAPS // 2) // self.hop)

    @property
    def _most_ahead(self) -> int:
        return max(self._block(i).look_ahead for i in range(len(self.block_kernels)))

    def _block(self, i: int, name: str | None = None) -> ResidualBlock:
        fields = self.block_kernels[i], self.block_dilations[i], self.block == "pairs", self.kernel_norm, self.dtype
        return ResidualBlock(*fields, name=name, **({} if name else {"parent": None}))

    @nn.compact
    def __call__(self, mel: Float[Any, "B T F"], num_frames: Int[Any, " B"]) -> Float[Array, "B S"]:
        """Computes samples in [-1, 1], `hop` for each frame; zero beyond each row's frames, which may hold anything.

        In parts (see `history`), the samples are `delay` frames late.
        """
        mel = jnp.asarray(mel, self.dtype)
        line = timeline(self, num_frames, mel.shape[1])
        options = {"norm": self.kernel_norm, "dtype": self.dtype}
        x = NormedConv(self.channels, OUTER_TAPS, name="first", **options)(_kept(mel, line.mask()))
        rate, delay, width = 1, OUTER_TAPS // 2, self.channels
        for i, (factor, kernel) in enumerate(zip(self.rates, self.kernels, strict=True)):
            x, width = _activated(x, line.mask(rate, delay)), width // 2
            x = NormedUpsampling(width, kernel, factor, name=f"upsampling_{i}", **options)(x)
            rate, delay = rate * factor, delay * factor + (kernel - factor) // 2
            total = jnp.zeros((), x.dtype)
            for j in range(len(self.block_kernels)):
                block = self._block(j, f"block_{i}_{j}")
                y = block(x, line, rate, delay)
                total += delayed(self, f"late_{i}_{j}", y, self._most_ahead - block.look_ahead)
            x, delay = total / len(self.block_kernels), delay + self._most_ahead
        x = _activated(x, line.mask(rate, delay), LAST_SLOPE)
        x = jnp.tanh(NormedConv(1, OUTER_TAPS, name="last", **options)(x).astype(jnp.float32))
        x = delayed(self, "late", x, self.delay * self.hop - delay - OUTER_TAPS // 2)
        return _kept(x, line.mask(rate, self.delay * self.hop))[..., 0]


def _kept(x: Float[Array, "B T D"], mask: Bool[Array, "B T"]) -> Float[Array, "B T D"]:
    return jnp.where(mask[..., None], x, jnp.zeros((), x.dtype))


def _activated(x: Float[Array, "B T D"], mask: Bool[Array, "B T"], slope: float = SLOPE) -> Float[Array, "B T D"]:
    return _kept(jax.nn.leaky_relu(x, slope), mask)
