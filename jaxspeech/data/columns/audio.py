"""The recordings of a manifest as a column: decoded, varied and augmented."""

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.convert import Channel
from jaxspeech.data.augment import Augment, AugmentConfig, stretch_samples
from jaxspeech.data.columns.column import Column, Examples
from jaxspeech.data.decode import Decoder
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.variant import Variant
from jaxspeech.errors import ConfigError

# Seconds are rounded to samples when a file is read, resampled, sped up and padded: a bucket has room for that.
ROUNDING_SAMPLES = 16


def audio(
    manifest: Manifest,
    *,
    sample_rate: int,
    channel: Channel = "mean",
    cache_bytes: int = 2**30,
    augment: AugmentConfig | None = None,
    seed: int = 0,
) -> Column:
    """Samples in [-1, 1], one channel.

    Args:
      manifest: the examples.
      sample_rate: of the samples, in Hz.
      channel: of recordings with several: "mean", or a number from 0 on.
      cache_bytes: memory for decoded audio; what does not fit is decoded again in each epoch.
      augment: what to change besides speed, silence and cuts, which the plan decides; nothing by default.
      seed: of the augmentation.

    Raises:
      ConfigError: there is no such channel.
      ManifestError: the manifest of noises or rooms cannot be used.
    """
    if channel != "mean" and not (isinstance(channel, int) and channel >= 0):
        raise ConfigError(f'data.channel is {channel!r}; it is "mean", or which one, from 0 on')
    decode = Decoder(manifest, sample_rate=sample_rate, channel=channel, cache_bytes=cache_bytes)
    change = None if augment is None else Augment(augment, sample_rate=sample_rate)

    def row(example: int, variant: Variant) -> Float[np.ndarray, " S"]:
        samples = decode(example)
        if change is None:
            return stretch_samples(samples, variant, sample_rate=sample_rate)
        return change(
            samples,
            speed=variant.speed,
            before=variant.before,
            after=variant.after,
            rng=variant.generator(seed),
        )

    def widths(
        examples: Examples, shortest: Float[np.ndarray, " K"], bucket_seconds: Float[np.ndarray, " b"]
    ) -> tuple[int, ...]:
        return tuple((np.ceil(bucket_seconds * sample_rate).astype(int) + ROUNDING_SAMPLES).tolist())

    return Column(np.float32, (), widths, np.broadcast_to(True, len(manifest)), row)
