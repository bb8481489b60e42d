"""Masks bands, stretches and rectangles of the features in training: SpecAugment and SpecCutout.

    w ~ floor(U * width),   start ~ floor(U * (n - w)),   masked: start <= i < start + w      with U in [0, 1)

for each of `freq_masks` bands over the n = F features and `time_masks` stretches over the n real frames of an
utterance, all independent. A float `time_width` is a share of the utterance's frames. A cutout is a rectangle: its
sides are uniform in 0 .. their largest width, its corner is uniform where the largest rectangle would fit.

Sources: Park et al., "SpecAugment" (Interspeech 2019) and "SpecAugment on Large Scale Datasets" (ICASSP 2020);
DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout" (2017).
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.features.checks import check_not_negative
from jaxspeech.masks import length_mask


class SpecAugment(nn.Module):
    """Masks parts of the features at random, with the random stream "specaugment".

    Attributes:
      freq_masks, freq_width: number of masked bands, and the exclusive limit of their width, in features.
      time_masks, time_width: number of masked stretches, and the exclusive limit of their width: an int in frames, a
        float as a share of the utterance's frames.
      cutout_masks, cutout_freq_width, cutout_time_width: number of rectangles, and their largest sides.
      mask_value: value of masked features.

    Raises:
      ConfigError: a field is negative, or a share is above 1.
    """

    freq_masks: int = 0
    freq_width: int = 10
    time_masks: int = 0
    time_width: int | float = 10
    cutout_masks: int = 0
    cutout_freq_width: int = 20
    cutout_time_width: int = 5
    mask_value: float = 0.0

    def __post_init__(self):
        check_not_negative(
            freq_masks=self.freq_masks,
            freq_width=self.freq_width,
            time_masks=self.time_masks,
            time_width=self.time_width,
            cutout_masks=self.cutout_masks,
            cutout_freq_width=self.cutout_freq_width,
            cutout_time_width=self.cutout_time_width,
        )
        if isinstance(self.time_width, float) and self.time_width > 1:
            raise ConfigError(
                f"time_width {self.time_width} is a share above 1: give frames as an int, or a share of at most 1.0"
            )
        super().__post_init__()

    @nn.compact
    def __call__(self, features: Float[Any, "B T F"], num_frames: Int[Any, " B"]) -> Float[Array, "B T F"]:
        """Mask parts of the real frames, drawn for each utterance; padding frames are not changed."""
        features, num_frames = jnp.asarray(features), jnp.asarray(num_frames)
        batch, frames, bins = features.shape
        num_bins = jnp.full((batch,), bins)
        freq_key, time_key, row_key, column_key = jax.random.split(self.make_rng("specaugment"), 4)

        bands = random_spans(freq_key, num_bins, self.freq_width, count=self.freq_masks, size=bins)
        widest = self.time_width * num_frames if isinstance(self.time_width, float) else self.time_width
        stretches = random_spans(time_key, num_frames, widest, count=self.time_masks, size=frames)
        rows = random_sides(row_key, num_frames, self.cutout_time_width, count=self.cutout_masks, size=frames)
        columns = random_sides(column_key, num_bins, self.cutout_freq_width, count=self.cutout_masks, size=bins)

        hidden = stretches.any(1)[:, :, None] | bands.any(1)[:, None, :]
        hidden |= (rows[:, :, :, None] & columns[:, :, None, :]).any(1)
        hidden &= length_mask(num_frames, frames)[:, :, None]
        return jnp.where(hidden, jnp.asarray(self.mask_value, features.dtype), features)


def spec_augment(
    key: Any, features: Float[Any, "B T F"], num_frames: Int[Any, " B"], **fields: Any
) -> Float[Array, "B T F"]:
    """`SpecAugment(**fields)` as a pure function of a random key."""
    return SpecAugment(**fields).bind({}, rngs={"specaugment": key})(features, num_frames)


def random_spans(
    key: Any, lengths: Int[Array, " B"], widest: int | Float[Array, " B"], *, count: int, size: int
) -> Bool[Array, "B M N"]:
    """Draw `count` spans per row, narrower than `widest` and within `lengths`, as masks over `size` positions."""
    width_draw, start_draw = jax.random.uniform(key, (2, lengths.shape[0], count))
    widest, lengths = jnp.minimum(widest, lengths)[:, None], lengths[:, None]
    width = jnp.floor(width_draw * widest).astype(jnp.int32)
    start = jnp.floor(start_draw * (lengths - width)).astype(jnp.int32)
    return span_masks(start, width, size=size)


def random_sides(key: Any, lengths: Int[Array, " B"], widest: int, *, count: int, size: int) -> Bool[Array, "B M N"]:
    """Draw `count` sides of rectangles per row, each at most `widest`, as masks over `size` positions.

    They start where a side of the full width would still fit, or at 0 if none does.
    """
    width_key, start_key = jax.random.split(key)
    shape = (lengths.shape[0], count)
    width = jax.random.randint(width_key, shape, 0, widest + 1)
    start = jax.random.randint(start_key, shape, 0, jnp.maximum(lengths - widest, 0)[:, None] + 1)
    return span_masks(start, width, size=size)


def span_masks(start: Int[Array, "B M"], width: Int[Array, "B M"], *, size: int) -> Bool[Array, "B M N"]:
    """Masks over `size` positions that are True for `width` positions from `start`."""
    positions = jnp.arange(size)
    return (start[..., None] <= positions) & (positions < (start + width)[..., None])
