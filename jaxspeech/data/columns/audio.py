"""The audio column: the recordings of a manifest, decoded, varied and augmented."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.convert import Channel
from jaxspeech.data.augment import Augment, AugmentConfig, stretch_samples
from jaxspeech.data.code_switched import CodeSwitchedManifest
from jaxspeech.data.columns.column import Column, Examples
from jaxspeech.data.decode import Decoder
from jaxspeech.data.joined_samples import joined_samples
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.variant import Variant
from jaxspeech.errors import ConfigError

# Reading, resampling, changing the speed and padding each round seconds to samples; buckets leave room for the sum.
ROUNDING_SAMPLES = 16


def audio(
    manifest: Manifest,
    *,
    sample_rate: int,
    channel: Channel = "mean",
    cache_bytes: int = 2**30,
    augment: AugmentConfig | None = None,
    seed: int = 0,
    joined: CodeSwitchedManifest | None = None,
) -> Column:
    """Make the column of each recording's samples, in [-1, 1] and with one channel.

    Args:
      manifest: the examples.
      sample_rate: the rate of the samples, in Hz.
      channel: which channel of a multi-channel recording: "mean", or a number counted from 0.
      cache_bytes: memory for decoded audio; recordings that do not fit are decoded again in each epoch.
      augment: the augmentation besides speed, silence and cuts, which are planned; none by default.
      seed: seed of the augmentation.
      joined: the manifest, if some of its examples consist of several utterances.

    Raises:
      ConfigError: `channel` is invalid.
      ManifestError: the manifest of noises or rooms cannot be used.
    """
    if channel != "mean" and not (isinstance(channel, int) and channel >= 0):
        raise ConfigError(f'data.channel is {channel!r}; use "mean", or the number of a channel, counted from 0')
    files = manifest if joined is None else joined.original
    decode: Callable[[int], Float[np.ndarray, " S"]]
    decode = Decoder(files, sample_rate=sample_rate, channel=channel, cache_bytes=cache_bytes)
    if joined is not None:
        decode = partial(joined.samples, decode=decode, sample_rate=sample_rate)
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

    def together(examples: Sequence[int], values: Sequence[np.ndarray], gap: float) -> Float[np.ndarray, " S"]:
        return joined_samples(values, between=math.floor(gap * sample_rate))

    lengths = np.round(manifest.durations * sample_rate).astype(np.int64)
    usable = np.broadcast_to(True, len(manifest))
    return Column(np.float32, (), widths, usable, row, lengths, join=together)
