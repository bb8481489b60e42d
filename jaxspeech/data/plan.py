"""Groups examples into batches: a pure function of the durations, the seed and the epoch.

    bucket(i)   = the first k with durations[i] <= buckets[k].seconds (and labels[i] <= buckets[k].labels)
    batches(k)  = the bucket's examples, in groups of buckets[k].batch_size
    leftovers(k) move up into the next bucket that holds them; the last group of all is filled with -1

So every example occurs exactly once, and all batches have one of a few padded shapes, one per bucket: XLA compiles one
program per bucket.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from jaxspeech.data.buckets import Bucket, assign, chunks, upward
from jaxspeech.data.rng import SHUFFLE, generator


class Plan(NamedTuple):
    """The batches of an epoch, in order.

    Attributes:
      rows: the examples of all batches, one batch after another; -1 is a filler.
      starts: where each batch begins in `rows`.
      bucket: number of each batch's bucket.
      buckets: the buckets.
    """

    rows: Int[np.ndarray, " R"]
    starts: Int[np.ndarray, " P"]
    bucket: Int[np.ndarray, " P"]
    buckets: tuple[Bucket, ...]

    @property
    def num_batches(self) -> int:
        return len(self.starts)

    def batch(self, position: int) -> tuple[Int[np.ndarray, " B"], int]:
        """Return the examples of one batch, and the number of its bucket."""
        start, bucket = self.starts[position], int(self.bucket[position])
        return self.rows[start : start + self.buckets[bucket].batch_size], bucket


def plan(
    durations: Float[np.ndarray, " N"],
    *,
    buckets: Sequence[Bucket],
    labels: Int[np.ndarray, " N"] | None = None,
    seed: int = 0,
    epoch: int = 0,
    shuffle: bool = True,
) -> Plan:
    """Plan the batches of one epoch.

    Args:
      durations: seconds of each example.
      buckets: shapes to use, shortest first.
      labels: number of labels of each example, if the buckets limit them.
      seed, epoch: determine the order.
      shuffle: True: random examples in each batch, and batches in random order; False: all sorted by duration.

    Raises:
      ConfigError: an example is longer than the last bucket, or has more labels.
    """
    bucket_of = assign(durations, buckets, labels)
    if shuffle:
        return arrange(bucket_of, buckets=buckets, rng=generator(seed, epoch, SHUFFLE))
    return arrange(bucket_of, buckets=buckets, order=np.argsort(durations, kind="stable").astype(_index(durations)))


def arrange(
    bucket_of: UInt8[np.ndarray, " N"],
    *,
    buckets: Sequence[Bucket],
    order: Int[np.ndarray, " N"] | None = None,
    rng: np.random.Generator | None = None,
    window_of: Int[np.ndarray, " N"] | None = None,
) -> Plan:
    """Plan the batches of an epoch, for examples whose bucket is known.

    Args:
      bucket_of: bucket of each example. The array can be long, so it is processed bucket by bucket.
      buckets: shapes, shortest first.
      order: order of the examples; by default both the examples and the batches are in random order.
      rng: random numbers for the default order.
      window_of: examples of a lower window come first, whatever their bucket (shard_windows.py).
    """
    if order is None:
        assert rng is not None
        order = np.arange(len(bucket_of), dtype=_index(bucket_of))
        rng.shuffle(order)
    else:
        rng = None
    bucket_in_order = bucket_of[order]
    counts = _counts(bucket_of, len(buckets))
    above = upward(buckets)
    last = _last(counts, above)
    groups: list[np.ndarray] = []
    left: dict[int, list[np.ndarray]] = {}
    sizes = np.array([bucket.batch_size for bucket in buckets])
    for k, batch_size in enumerate(sizes[: last + 1].tolist()):
        waiting = np.concatenate([*left.pop(k, []), order[bucket_in_order == k]])
        if window_of is not None:
            waiting = waiting[np.argsort(window_of[waiting], kind="stable")]
        if k == last:
            waiting = np.concatenate([waiting, np.full(-len(waiting) % batch_size, -1, order.dtype)])
        whole = len(waiting) - len(waiting) % batch_size
        groups.append(waiting[:whole])
        # A view would keep the whole bucket in memory.
        left.setdefault(above[k], []).append(waiting[whole:].copy())
    del order, bucket_in_order
    bucket = np.repeat(np.arange(len(groups)), [len(g) // b for g, b in zip(groups, sizes, strict=False)])
    starts = np.cumsum(sizes[bucket]) - sizes[bucket]
    position = np.arange(len(bucket)) if rng is None else rng.permutation(len(bucket))
    rows = np.concatenate(groups)
    if window_of is not None and len(rows):
        windows = np.maximum.reduceat(np.where(rows < 0, 0, window_of[rows]), starts)
        position = position[np.argsort(windows[position], kind="stable")]
    return Plan(rows, starts[position], bucket[position], tuple(buckets))


def count_batches(
    durations: Float[np.ndarray, " N"], buckets: Sequence[Bucket], labels: Int[np.ndarray, " N"] | None = None
) -> int:
    """`plan(durations, buckets=buckets, labels=labels).num_batches`, the same for any seed, without planning."""
    return count_assigned(assign(durations, buckets, labels), buckets)


def count_assigned(bucket_of: UInt8[np.ndarray, " N"], buckets: Sequence[Bucket]) -> int:
    """`count_batches` for examples whose bucket is known."""
    counts = _counts(bucket_of, len(buckets))
    above = upward(buckets)
    batches, left = 0, [0] * (len(buckets) + 1)
    last = _last(counts, above)
    for k, bucket in enumerate(buckets[: last + 1]):
        whole, rest = divmod(left[k] + int(counts[k]), bucket.batch_size)
        left[above[k]] += rest
        batches += whole
    return batches + (left[above[last]] > 0)


def _last(counts: Int[np.ndarray, " K"], above: Sequence[int]) -> int:
    """The first bucket to which the leftovers of all buckets with examples move up, where there are any."""
    used = np.flatnonzero(counts).tolist()
    reached = set(range(len(counts)))
    for k in used:
        path = {k}
        while k < len(counts):
            path.add(k)
            k = above[k]
        reached &= path
    return min(reached) if used else 0


def _counts(bucket_of: UInt8[np.ndarray, " N"], count: int) -> Int[np.ndarray, " K"]:
    counts = np.zeros(count, np.int64)
    for part in chunks(len(bucket_of)):
        counts += np.bincount(bucket_of[part], minlength=count)
    return counts


def _index(values: np.ndarray) -> type:
    return np.int32 if len(values) < 2**31 else np.int64
