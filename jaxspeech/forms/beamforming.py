"""Makes of an enhancement model of one channel one of any number of microphones, whose speech it combines.

recording [B C S] -> each channel enhanced by itself -> filters of long windows (signal.estimate_beamformer) -> [B 1 S]
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.features.stft import STFT, istft, stft
from jaxspeech.masks import length_mask
from jaxspeech.signal.estimate_beamformer import beamformed_by
from jaxspeech.tasks.kinds import Enhancement
from jaxspeech.types import Variables

# A filter of one tap for each bin has to span the early echoes of a room.
WINDOW_SECONDS = 0.128
# A recording from which so little is removed has no noise to estimate filters from: its first channel is the result.
CLEAN_DB = 25.0


def beamforming(kind: Enhancement) -> Enhancement:
    """Returns the model for any number of microphones; one alone is enhanced as before.

    Raises:
      ConfigError: the model takes several channels by itself.
    """
    if kind.channels != 1:
        raise ConfigError("beamform: this model takes all channels together already")
    length = 2 ** round(math.log2(WINDOW_SECONDS * kind.sample_rate))
    transform = STFT(fft_length=length, hop=length // 4)

    def enhance(
        variables: Variables, samples: Float[Any, "B C S"], num_samples: Int[Any, " B"], **options: Any
    ) -> Float[Array, "B 1 S"]:
        samples, num_samples = jnp.asarray(samples), jnp.asarray(num_samples)
        batch, channels, size = samples.shape
        samples = jnp.where(length_mask(num_samples, size)[:, None], samples, 0.0)
        each = {name: _each(value, batch, channels) for name, value in options.items()}
        rows = samples.reshape(batch * channels, 1, size), jnp.repeat(num_samples, channels)
        estimates = kind.enhance(variables, *rows, **each).reshape(batch, channels, size)
        if channels == 1:
            return estimates
        spectra, of_speech = (stft(x, num_samples, transform)[0] for x in (samples, estimates))
        combined = istft(beamformed_by(spectra, of_speech), num_samples, transform, size=size)
        powers = [jnp.square(x).sum((1, 2)) for x in (samples, samples - estimates)]
        ratio_db = 10 * jnp.log10((powers[0] + 1e-12) / (powers[1] + 1e-12))
        return combined + jax.nn.sigmoid(ratio_db - CLEAN_DB)[:, None, None] * (samples[:, :1] - combined)

    return kind._replace(channels=None, enhance=enhance)


def _each(value: Any, batch: int, channels: int) -> Any:
    """Repeats what belongs to each row for each of its channels."""
    return value if value is None or not value.ndim or value.shape[0] != batch else jnp.repeat(value, channels, axis=0)
