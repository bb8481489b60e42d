"""Which examples make up which batch: a pure function of the durations, the seed and the epoch.

    bucket(i)   = the first k with durations[i] <= buckets[k].seconds
    batches(k)  = the bucket's examples, in groups of buckets[k].batch_size
    leftovers(k) move up into bucket k + 1; the last group of all is filled with -1

So every example occurs exactly once, and a few padded shapes (one a bucket) serve all of them: XLA compiles one
program a bucket.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.data.rng import SHUFFLE, generator
from jaxspeech.errors import ConfigError


class Bucket(NamedTuple):
    """Batches of one shape: `batch_size` examples, none longer than `seconds`."""

    seconds: float
    batch_size: int


class Plan(NamedTuple):
    """The batches of an epoch, in order.

    Attributes:
      rows: examples of all batches, one batch after another; -1 is a filler.
      starts: where each batch begins in `rows`.
      bucket: the bucket of each batch.
      buckets: what they are.
    """

    rows: Int[np.ndarray, " R"]
    starts: Int[np.ndarray, " P"]
    bucket: Int[np.ndarray, " P"]
    buckets: tuple[Bucket, ...]

    @property
    def num_batches(self) -> int:
        return len(self.starts)

    def batch(self, position: int) -> tuple[Int[np.ndarray, " B"], int]:
        """The examples of one batch, and its bucket."""
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
    """The batches of one epoch.

    Args:
      durations: seconds of each example.
      buckets: shapes to use, shortest first.
      seed, epoch: decide the order, and nothing else does.
      shuffle: random examples in each batch and batches in random order; otherwise all sorted by duration.

    Raises:
      ConfigError: an example is longer than the last bucket.
    """
    if shuffle:
        rng = generator(seed, epoch, SHUFFLE)
        order = rng.permutation(len(durations))
    else:
        order = np.argsort(durations, kind="stable")
    bucket_of = _assign(durations[order], buckets)
    order = order[np.argsort(bucket_of, kind="stable")]
    counts = np.bincount(bucket_of, minlength=len(buckets))
    groups, waiting, last = [], order[:0], int(np.flatnonzero(counts).max(initial=0))
    for k, (_, batch_size) in enumerate(buckets[: last + 1]):
        waiting = np.concatenate([waiting, order[counts[:k].sum() : counts[: k + 1].sum()]])
        if k == last:
            waiting = np.concatenate([waiting, np.full(-len(waiting) % batch_size, -1)])
        whole = len(waiting) - len(waiting) % batch_size
        groups.append(waiting[:whole])
        waiting = waiting[whole:]
    sizes = np.array([bucket.batch_size for bucket in buckets])
    bucket = np.repeat(np.arange(len(groups)), [len(g) // b for g, b in zip(groups, sizes, strict=False)])
    starts = np.cumsum(sizes[bucket]) - sizes[bucket]
    position = rng.permutation(len(bucket)) if shuffle else np.arange(len(bucket))
    return Plan(np.concatenate(groups), starts[position], bucket[position], tuple(buckets))


def count_batches(durations: Float[np.ndarray, " N"], buckets: Sequence[Bucket]) -> int:
    """`plan(durations, buckets=buckets).num_batches`, whatever the seed, without the plan."""
    counts = np.bincount(_assign(durations, buckets), minlength=len(buckets))
    batches = waiting = 0
    last = int(np.flatnonzero(counts).max(initial=0))
    for k, (_, batch_size) in enumerate(buckets[: last + 1]):
        whole, waiting = divmod(waiting + int(counts[k]), batch_size)
        batches += whole
    return batches + (waiting > 0)


def make_buckets(
    seconds: Sequence[int | float], *, batch_seconds: int | float, max_batch_size: int, multiple_of: int = 1
) -> tuple[Bucket, ...]:
    """Buckets of about `batch_seconds` of padded audio a batch.

    Args:
      seconds: the longest example of each bucket, ascending.
      batch_seconds: padded audio in a batch, at most (but a batch has `multiple_of` examples at least).
      max_batch_size: examples in a batch, at most.
      multiple_of: devices (data shards) between which a batch is split evenly.

    Raises:
      ConfigError: the seconds do not ascend, or max_batch_size is below multiple_of.
    """
    if not seconds or seconds[0] <= 0 or any(a >= b for a, b in pairwise(seconds)):
        raise ConfigError(f"buckets: {list(seconds)} are not ascending numbers of seconds")
    if max_batch_size < multiple_of:
        raise ConfigError(f"batch_size: {max_batch_size} examples cannot be split between {multiple_of} devices")
    sizes = [min(max_batch_size, math.floor(batch_seconds / s)) // multiple_of * multiple_of for s in seconds]
    return tuple(Bucket(float(s), max(size, multiple_of)) for s, size in zip(seconds, sizes, strict=True))


def estimate_buckets(durations: Float[np.ndarray, " N"], count: int) -> tuple[float, ...]:
    """Lengths of `count` buckets (fewer for very even durations) with the least padding, by dynamic programming:

        padded(k, e) = min over d < e of padded(k - 1, d) + e * #{d < durations <= e}

    where the lengths d, e are on a grid of 256 quantiles.
    """
    ordered = np.sort(durations)
    last = np.unique(np.linspace(0, len(ordered) - 1, 256).round().astype(np.int64))
    last = last[np.append(ordered[last[1:]] > ordered[last[:-1]], True)]  # one grid point a length
    edges, below = ordered[last], np.append(0, last + 1)
    # cost[i, j]: padded seconds of the examples from grid point i up to j, all padded to edge j.
    cost = np.where(below[:-1, None] <= last[None], edges * (below[1:] - below[:-1, None]), np.inf)
    padded, cuts = cost[0], []
    for _ in range(min(count, len(edges)) - 1):
        total = np.append(np.inf, padded[:-1])[:, None] + cost
        cuts.append(total.argmin(axis=0))
        padded = total.min(axis=0)
    chosen = [len(edges) - 1]
    for cut in reversed(cuts):
        chosen.append(cut[chosen[-1]] - 1)
    # Rounded up to 10 ms, so that shapes look like what they are.
    return tuple(np.unique(np.ceil(edges[chosen] * 100 - 1e-6) / 100).tolist())


def _assign(durations: Float[np.ndarray, " N"], buckets: Sequence[Bucket]) -> Int[np.ndarray, " N"]:
    bucket_of = np.searchsorted([bucket.seconds for bucket in buckets], durations).astype(np.int16)
    if len(durations) and bucket_of.max() == len(buckets):
        longest = f"{durations.max():.2f} s and the last bucket {buckets[-1].seconds:.2f} s"
        raise ConfigError(f"buckets: the longest example has {longest}; add a bucket or lower max_seconds")
    return bucket_of
