"""Chooses the padded lengths of training batches, in seconds and in labels: durations, changed and joined -> buckets.

Speeds, silences and cuts change the lengths differently in each epoch; the buckets are chosen for those of the first.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.data.augment import AugmentConfig
from jaxspeech.data.batching import Batching
from jaxspeech.data.buckets import chunks, estimate_buckets, split_by_labels, useful_buckets
from jaxspeech.data.columns.column import widest
from jaxspeech.data.join import group
from jaxspeech.data.rng import JOIN, generator
from jaxspeech.data.stretch import draw, shortest


class TrainingBuckets(NamedTuple):
    """The padded lengths of training batches.

    Attributes:
      seconds: of each bucket.
      labels: the most labels of an example in each bucket; None where labels are not planned.
      shortest: the least seconds that a change can give each example.
    """

    seconds: list[float]
    labels: list[int] | None
    shortest: Float[np.ndarray, " N"]


def changes_of(augment: AugmentConfig) -> dict[str, Any]:
    """The options of `stretch.draw` that an augmentation gives: all but the seed, the epoch and the longest result."""
    return {
        "speeds": augment.speed,
        "pad_seconds": augment.pad_seconds,
        "pad_after_seconds": augment.pad_after_seconds,
        "unpadded_share": augment.unpadded_share,
        "crop_seconds": augment.crop_seconds,
        "crop_to": augment.crop_to,
        "crop_from": augment.crop_from,
    }


def training_buckets(
    durations: Float[np.ndarray, " N"],
    labels: Int[np.ndarray, " N"] | None,
    *,
    buckets: int | Sequence[int | float],
    augment: AugmentConfig,
    batching: Batching,
    seed: int,
) -> TrainingBuckets:
    """Choose the buckets.

    Args:
      durations: seconds of each example.
      labels: their numbers of labels, if batches are planned by these too.
      buckets: the number of padded lengths, or these in seconds, ascending.
      augment: how speeds, silences and cuts are drawn.
      batching: what an example costs, and how utterances are joined.
      seed: of the draws.

    Raises:
      ConfigError: an example is longer than the last bucket.
    """
    changes, crop_to = changes_of(augment), augment.crop_to
    # Of longer examples a stretch is taken.
    needed = np.minimum(durations, crop_to[1]) if crop_to else durations
    longest = float(needed.max() / min(augment.speed) + 2 * augment.pad_seconds)
    lengths, of_lengths = durations, labels
    if isinstance(buckets, int) or labels is not None:
        draws, lengths = draw(len(durations), longest=longest, seed=seed, epoch=0, **changes), durations.copy()
        for part in chunks(len(durations)):
            # At least the duration, so that no example needs to be sped up to fit, whatever epoch 0 has drawn.
            lengths[part] = np.maximum(draws.of(part, durations[part]).seconds(durations[part]), needed[part])
        del draws
    if labels is not None and batching.join.seconds:
        groups = group(lengths, labels, batching.join, rng=generator(seed, 0, JOIN))
        lengths, of_lengths = groups.seconds(lengths, batching.join), groups.labels(labels)
        longest = max(longest, float(lengths.max()))
    if isinstance(buckets, int):
        buckets = estimate_buckets(lengths, buckets, cost=batching.cost)
    seconds = useful_buckets(buckets, longest, float(needed.max()))
    cuts: dict[str, Any] = {"crop_seconds": augment.crop_seconds, "crop_to": crop_to}
    least = shortest(durations, longest=seconds[-1], speeds=augment.speed, **cuts)
    if labels is None or of_lengths is None:
        return TrainingBuckets(seconds, None, least)
    widths = widest(labels, least, np.array(seconds))
    # Joined utterances may have more labels than any by itself.
    widths = np.maximum(widths, widest(of_lengths, np.minimum(lengths, seconds[-1]), np.array(seconds)))
    seconds, most = split_by_labels(seconds, widths.tolist(), lengths, of_lengths, count=batching.label_buckets)
    return TrainingBuckets(seconds, most, least)
