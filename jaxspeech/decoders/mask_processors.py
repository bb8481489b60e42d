"""What makes spectra of the outputs from estimated masks: a product with the reference channel, or nothing.

Every processor takes (spectra [B C N F], estimates [B M N F], num_frames [B]) and returns spectra [B M N F].
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Inexact, Int

from jaxspeech.errors import ConfigError


def amplitude(db: int | float) -> float:
    """Converts a level in dB to a factor."""
    return 10.0 ** (db / 20)


def check_limits(least_db: int | float, most_db: int | float) -> None:
    """Raises ConfigError if the limits of a mask exclude everything."""
    if least_db >= most_db:
        raise ConfigError(f"least_db {least_db} must be below most_db {most_db}")


class ReferenceChannel(nn.Module):
    """Multiplies each mask with one channel (NeMo's MaskReferenceChannel).

    Attributes:
      channel: the one that is masked, counted from 0.
      least_db, most_db: limits of the mask.
    """

    channel: int = 0
    least_db: int | float = -200.0
    most_db: int | float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_limits(self.least_db, self.most_db)

    def __call__(
        self, spectra: Complex[Array, "B C N F"], masks: Float[Array, "B M N F"], num_frames: Int[Array, " B"]
    ) -> Complex[Array, "B M N F"]:
        del num_frames
        limited = jnp.clip(masks, amplitude(self.least_db), amplitude(self.most_db))
        return limited * spectra[:, self.channel : self.channel + 1]


class Spectrum(nn.Module):
    """Takes the estimates as they are: for estimators of the spectra themselves."""

    def __call__(
        self, spectra: Complex[Array, "B C N F"], estimates: Inexact[Array, "B M N F"], num_frames: Int[Array, " B"]
    ) -> Inexact[Array, "B M N F"]:
        del spectra, num_frames
        return estimates
