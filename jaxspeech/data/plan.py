"""Groups examples into batches: a pure function of the durations, the seed and the epoch.

    bucket(i)   = the first k with durations[i] <= buckets[k].seconds
    batches(k)  = the bucket's examples, in groups of buckets[k].batch_size
    leftovers(k) move up into bucket k + 1; the last group of all is filled with -1

So every example occurs exactly once, and all batches have one of a few padded shapes, one per bucket: XLA compiles one
program per bucket.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from jaxspeech.data.rng import SHUFFLE, generator
from jaxspeech.errors import ConfigError

# Number of examples processed at once, to bound the memory of intermediate results.
CHUNK = 1 << 18
# Bucket numbers are stored in a byte.
MOST_BUCKETS = 255


class Bucket(NamedTuple):
    """Batches of one shape: `batch_size` examples, none longer than `seconds`."""

    seconds: float
    batch_size: int


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
    seed: int = 0,
    epoch: int = 0,
    shuffle: bool = True,
) -> Plan:
    """Plan the batches of one epoch.

    Args:
      durations: seconds of each example.
      buckets: shapes to use, shortest first.
      seed, epoch: determine the order.
      shuffle: True: random examples in each batch, and batches in random order; False: all sorted by duration.

    Raises:
      ConfigError: an example is longer than the last bucket.
    """
    bucket_of = assign(durations, buckets)
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
    last = int(np.flatnonzero(counts).max(initial=0))
    groups, waiting = [], order[:0]
    for k, (_, batch_size) in enumerate(buckets[: last + 1]):
        waiting = np.concatenate([waiting, order[bucket_in_order == k]])
        if window_of is not None:
            waiting = waiting[np.argsort(window_of[waiting], kind="stable")]
        if k == last:
            waiting = np.concatenate([waiting, np.full(-len(waiting) % batch_size, -1, order.dtype)])
        whole = len(waiting) - len(waiting) % batch_size
        groups.append(waiting[:whole])
        waiting = waiting[whole:].copy()  # a view would keep the whole bucket in memory
    del order, bucket_in_order
    sizes = np.array([bucket.batch_size for bucket in buckets])
    bucket = np.repeat(np.arange(len(groups)), [len(g) // b for g, b in zip(groups, sizes, strict=False)])
    starts = np.cumsum(sizes[bucket]) - sizes[bucket]
    position = np.arange(len(bucket)) if rng is None else rng.permutation(len(bucket))
    rows = np.concatenate(groups)
    if window_of is not None and len(rows):
        windows = np.maximum.reduceat(np.where(rows < 0, 0, window_of[rows]), starts)
        position = position[np.argsort(windows[position], kind="stable")]
    return Plan(rows, starts[position], bucket[position], tuple(buckets))


def count_batches(durations: Float[np.ndarray, " N"], buckets: Sequence[Bucket]) -> int:
    """`plan(durations, buckets=buckets).num_batches`, the same for any seed, without planning."""
    return count_assigned(assign(durations, buckets), buckets)


def count_assigned(bucket_of: UInt8[np.ndarray, " N"], buckets: Sequence[Bucket]) -> int:
    """`count_batches` for examples whose bucket is known."""
    counts = _counts(bucket_of, len(buckets))
    batches = waiting = 0
    last = int(np.flatnonzero(counts).max(initial=0))
    for k, (_, batch_size) in enumerate(buckets[: last + 1]):
        whole, waiting = divmod(waiting + int(counts[k]), batch_size)
        batches += whole
    return batches + (waiting > 0)


def make_buckets(
    seconds: Sequence[int | float], *, batch_seconds: int | float, max_batch_size: int, multiple_of: int = 1
) -> tuple[Bucket, ...]:
    """Make buckets whose batches have about `batch_seconds` of padded audio each.

    Args:
      seconds: the longest example of each bucket, ascending.
      batch_seconds: most seconds of padded audio in a batch (but a batch has at least `multiple_of` examples).
      max_batch_size: most examples in a batch.
      multiple_of: number of equal parts (devices, times accumulation) that a batch is split into.

    Raises:
      ConfigError: the seconds do not ascend, or max_batch_size is below multiple_of.
    """
    if not seconds or seconds[0] <= 0 or any(a >= b for a, b in pairwise(seconds)):
        raise ConfigError(f"buckets: {list(seconds)} are not ascending numbers of seconds")
    if len(seconds) > MOST_BUCKETS:
        raise ConfigError(f"buckets: {len(seconds)} are too many; use at most {MOST_BUCKETS}")
    if max_batch_size < multiple_of:
        raise ConfigError(
            f"batch_size: {max_batch_size} examples are fewer than the {multiple_of} parts that a batch is split into "
            "(devices x accumulate)"
        )
    sizes = [min(max_batch_size, math.floor(batch_seconds / s)) // multiple_of * multiple_of for s in seconds]
    return tuple(Bucket(float(s), max(size, multiple_of)) for s, size in zip(seconds, sizes, strict=True))


def estimate_buckets(durations: Float[np.ndarray, " N"], count: int) -> tuple[float, ...]:
    """Find the lengths of `count` buckets (fewer for very even durations) with the least padding.

    By dynamic programming:

        padded(k, e) = min over d < e of padded(k - 1, d) + e * #{d < durations <= e}

    where the lengths d, e are on a grid of 256 quantiles.

    Raises:
      ConfigError: `count` is below 1.
    """
    if count < 1:
        raise ConfigError(f"data.buckets is {count}; it is the number of padded lengths, 1 or more")
    ordered = np.sort(durations)
    last = np.unique(np.linspace(0, len(ordered) - 1, 256).round().astype(np.int64))
    last = last[np.append(ordered[last[1:]] > ordered[last[:-1]], True)]  # one grid point per length
    edges, below = ordered[last], np.append(0, last + 1)
    # cost[i, j]: padded seconds of the examples from grid point i to j, all padded to edge j.
    cost = np.where(below[:-1, None] <= last[None], edges * (below[1:] - below[:-1, None]), np.inf)
    padded, cuts = cost[0], []
    for _ in range(min(count, len(edges)) - 1):
        total = np.append(np.inf, padded[:-1])[:, None] + cost
        cuts.append(total.argmin(axis=0))
        padded = total.min(axis=0)
    chosen = [len(edges) - 1]
    for cut in reversed(cuts):
        chosen.append(cut[chosen[-1]] - 1)
    # Rounded up to 10 ms, so that the lengths are readable when printed.
    return tuple(np.unique(np.ceil(edges[chosen] * 100 - 1e-6) / 100).tolist())


def assign(durations: Float[np.ndarray, " N"], buckets: Sequence[Bucket]) -> UInt8[np.ndarray, " N"]:
    """Find the bucket of each example.

    Raises:
      ConfigError: an example is longer than the last bucket.
    """
    edges, bucket_of = [bucket.seconds for bucket in buckets], np.empty(len(durations), np.uint8)
    for part in chunks(len(durations)):
        bucket_of[part] = np.searchsorted(edges, durations[part])
    if len(durations) and bucket_of.max() == len(buckets):
        longest = f"{durations.max():.2f} s and the last bucket {buckets[-1].seconds:.2f} s"
        raise ConfigError(f"buckets: the longest example has {longest}; add a bucket or lower max_seconds")
    return bucket_of


def chunks(length: int) -> Iterator[slice]:
    """Split an array into slices, so that no intermediate result is as long as sixteen million examples."""
    return (slice(first, first + CHUNK) for first in range(0, length, CHUNK))


def _counts(bucket_of: UInt8[np.ndarray, " N"], count: int) -> Int[np.ndarray, " K"]:
    counts = np.zeros(count, np.int64)
    for part in chunks(len(bucket_of)):
        counts += np.bincount(bucket_of[part], minlength=count)
    return counts


def _index(values: np.ndarray) -> type:
    return np.int32 if len(values) < 2**31 else np.int64
