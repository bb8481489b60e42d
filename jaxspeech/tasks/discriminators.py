"""The discriminators of a vocoder or a codec: which kinds there are, and how many of each."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.features.stft import STFT, stft
from jaxspeech.nn.discriminators import (
    SCALE_LAYERS,
    PeriodDiscriminator,
    ScaleDiscriminator,
    Seen,
    SpectrumDiscriminator,
    scales,
)

# What each kind of discriminator saw, by its name: "periods", "scales", "spectra".
AllSeen = dict[str, tuple[Seen, ...]]
# Added to the powers of a spectrum before their root, whose gradient it keeps finite.
FLOOR = 1e-9
# Taps of each layer of a scale discriminator, the score's last.
SCALE_TAPS = (*(taps for _, taps, *_ in SCALE_LAYERS), 3)


class Discriminators(nn.Module):
    """Discriminators of several kinds. The defaults are those of HiFi-GAN.

    Attributes:
      periods: of the period discriminators.
      period_channels: of each, see `nn.discriminators`.
      num_scales: number of scale discriminators; the first has a spectral norm, the others a weight norm, as there.
      scale_channels: of each.
      resolutions: (size of the transform, hop) of each spectrum discriminator.
      resolution_channels: of each.
    """

    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    period_channels: tuple[int, ...] = (32, 128, 512, 1024)
    num_scales: int = 3
    scale_channels: tuple[int, ...] = (128, 256, 512, 1024)
    resolutions: tuple[tuple[int, int], ...] = ()
    resolution_channels: int = 32
    dtype: Any = jnp.float32

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.periods or self.num_scales or self.resolutions):
            raise ConfigError("discriminators: there are none; name 'none' trains without them")
        if len(self.scale_channels) != 4 or any(width % 16 for width in self.scale_channels):
            raise ConfigError(f"discriminators.scale_channels are {self.scale_channels}: four multiples of 16")
        for size, hop in self.resolutions:
            STFT(size, hop).check()

    @nn.compact
    def __call__(self, samples: Float[Array, "B S"], num_samples: Int[Array, " B"], *, train: bool = False) -> AllSeen:
        """Judges samples, real or generated.

        Args:
          samples, num_samples: the waveforms.
          train: whether the spectral norms follow their kernels.
        """
        seen: AllSeen = {}
        if self.periods:
            seen["periods"] = tuple(
                PeriodDiscriminator(period, self.period_channels, dtype=self.dtype, name=f"period_{period}")(
                    samples, num_samples, train=train
                )
                for period in self.periods
            )
        if self.num_scales:
            seen["scales"] = tuple(
                ScaleDiscriminator(
                    self.scale_channels, norm="weight" if i else "spectral", dtype=self.dtype, name=f"scale_{i}"
                )(*waves, train=train)
                for i, waves in enumerate(scales(samples, num_samples, self.num_scales))
            )
        if self.resolutions:
            found = []
            for size, hop in self.resolutions:
                spectra, num_frames = stft(samples, num_samples, STFT(size, hop))
                magnitudes = jnp.sqrt(spectra.real**2 + spectra.imag**2 + FLOOR)
                judge = SpectrumDiscriminator(self.resolution_channels, dtype=self.dtype, name=f"spectrum_{size}_{hop}")
                found.append(judge(magnitudes, num_frames))
            seen["spectra"] = tuple(found)
        return seen


class NoDiscriminators(nn.Module):
    """Stands for none: the generator learns from the distance of the mels alone."""

    def __call__(self, samples: Float[Array, "B S"], num_samples: Int[Array, " B"], *, train: bool = False) -> AllSeen:
        """Judges nothing."""
        del samples, num_samples, train
        return {}


DISCRIMINATORS = {"hifigan": Discriminators, "none": NoDiscriminators}
