"""The discriminators of a codec: every second, third, ... sample, and spectra at several resolutions, band by band.

HiFi-GAN's discriminators of periods (Kong et al., 2020) and the ones of bands of complex spectra (Kumar et al., 2023).
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.features.stft import STFT, stft
from jaxspeech.losses.adversarial import Masked
from jaxspeech.nn.discriminators import PeriodDiscriminator, Seen, SpectrumDiscriminator


class CodecDiscriminators(nn.Module):
    """All discriminators.

    Attributes:
      periods: p of each that sees every p-th sample.
      period_channels: of their layers.
      resolutions: (length, hop) in samples of each transform.
      bands: (from, to) of each band, shares of the bins; every band of every transform has a discriminator.
      channels: of their layers.

    Raises:
      ConfigError: there is none.
    """

    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    period_channels: tuple[int, ...] = (32, 128, 512, 1024)
    resolutions: tuple[tuple[int, int], ...] = ((128, 32), (256, 64), (512, 128), (1024, 256), (2048, 512))
    bands: tuple[tuple[float, float], ...] = ((0.0, 0.1), (0.1, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0))
    channels: int = 32
    dtype: Any = jnp.float32

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.periods and not (self.resolutions and self.bands):
            raise ConfigError("model.discriminator: give periods, or resolutions and bands")

    @nn.compact
    def __call__(self, samples: Float[Array, "B S"], num_samples: Int[Array, " B"]) -> list[Seen]:
        """What each sees in samples."""
        found = [
            PeriodDiscriminator(period, self.period_channels, dtype=self.dtype, name=f"period_{period}")(
                samples, num_samples
            )
            for period in self.periods
        ]
        for length, hop in self.resolutions:
            settings = STFT(length, hop, scale=length**-0.5, exact_tail=False)
            spectra, num_frames = stft(samples, num_samples, settings)
            planes = jnp.stack([spectra.real, spectra.imag], -1)
            for i, (low, high) in enumerate(self.bands):
                first, last = (int(share * settings.num_bins) for share in (low, high))
                judge = SpectrumDiscriminator(self.channels, dtype=self.dtype, name=f"spectrum_{length}_{i}")
                found.append(judge(planes[:, :, first:last], num_frames))
        return found


def seen_in(found: list[Seen]) -> list[list[Masked]]:
    """The layers of each discriminator with their masks, the score last."""
    return [list(zip(seen.layers, seen.masks, strict=True)) for seen in found]
