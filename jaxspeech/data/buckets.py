"""Buckets: the few padded shapes of batches, chosen for the least padding, and how many examples each shape holds.

    x(d, u)    = d + label_seconds u                          an example of d seconds with u labels
    cost(d, u) = x + x^2 / quadratic_seconds                  as attention costs more than its length
    size(k)    = batch_seconds / cost(seconds_k, labels_k)    examples in a batch of bucket k

With several label lengths, each length in seconds has buckets of its own for few and for many labels.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from jaxspeech.errors import ConfigError

# Number of examples processed at once, to bound the memory of intermediate results.
CHUNK = 1 << 18
# Bucket numbers are stored in a byte.
MOST_BUCKETS = 255
# Padded lengths of labels are multiples of this, so that buckets share shapes.
MULTIPLE = 8
# Points of the grid on which the edges of buckets are looked for.
GRID = 256


class Bucket(NamedTuple):
    """Batches of one shape.

    Attributes:
      seconds: length of the longest example that it holds.
      batch_size: number of examples.
      labels: most labels of an example; 0 where labels are not planned.
      cost: what an example counts against the seconds of a batch; 0: its seconds.
    """

    seconds: float
    batch_size: int
    labels: int = 0
    cost: float = 0.0


class Cost(NamedTuple):
    """What a padded example counts against the seconds of a batch.

    Attributes:
      quadratic_seconds: the length at which an example counts twice its seconds; 0: it counts its seconds.
      label_seconds: seconds that a label counts as much as.
    """

    quadratic_seconds: int | float = 0.0
    label_seconds: int | float = 0.0

    def of(self, seconds: Any, labels: Any = 0) -> Any:
        """The cost, in seconds, of an example or of an array of them."""
        length = np.asarray(seconds, np.float64) + self.label_seconds * np.asarray(labels)
        return length + length**2 / self.quadratic_seconds if self.quadratic_seconds else length


PLAIN = Cost()


def make_buckets(
    seconds: Sequence[int | float],
    *,
    batch_seconds: int | float,
    max_batch_size: int,
    multiple_of: int = 1,
    labels: Sequence[int] | None = None,
    cost: Cost = PLAIN,
) -> tuple[Bucket, ...]:
    """Make buckets whose batches cost about `batch_seconds` each.

    Args:
      seconds: the longest example of each bucket, ascending.
      batch_seconds: most that the padded examples of a batch cost (but a batch has at least `multiple_of` examples).
      max_batch_size: most examples in a batch.
      multiple_of: number of equal parts (devices, times accumulation) that a batch is split into.
      labels: most labels of each bucket's examples; of several with the same seconds, they ascend.
      cost: of an example; its padded seconds by default.

    Raises:
      ConfigError: the seconds do not ascend, or max_batch_size is below multiple_of.
    """
    most = [0] * len(seconds) if labels is None else list(labels)
    shapes = list(zip(seconds, most, strict=True))
    if not seconds or seconds[0] <= 0 or any(a >= b for a, b in pairwise(shapes)):
        raise ConfigError(f"buckets: {list(seconds)} are not ascending numbers of seconds")
    if len(seconds) > MOST_BUCKETS:
        raise ConfigError(f"buckets: {len(seconds)} are too many; use at most {MOST_BUCKETS}")
    if max_batch_size < multiple_of:
        raise ConfigError(
            f"batch_size: {max_batch_size} examples are fewer than the {multiple_of} parts that a batch is split into "
            "(devices x accumulate)"
        )
    costs = [float(cost.of(s, u)) for s, u in shapes]
    sizes = [min(max_batch_size, math.floor(batch_seconds / c)) // multiple_of * multiple_of for c in costs]
    return tuple(
        Bucket(float(s), max(size, multiple_of), u, 0.0 if cost == PLAIN else c)
        for (s, u), size, c in zip(shapes, sizes, costs, strict=True)
    )


def estimate_buckets(durations: Float[np.ndarray, " N"], count: int, *, cost: Cost = PLAIN) -> tuple[float, ...]:
    """Find the lengths of `count` buckets (fewer for very even durations) with the least padding.

    Raises:
      ConfigError: `count` is below 1.
    """
    if count < 1:
        raise ConfigError(f"data.buckets is {count}; it is the number of padded lengths, 1 or more")
    # Rounded up to 10 ms, so that the lengths are readable when printed.
    return tuple(np.unique(np.ceil(least_padding(durations, count, cost=cost) * 100 - 1e-6) / 100).tolist())


def useful_buckets(buckets: Sequence[int | float], longest: float, longest_clean: float) -> list[float]:
    """The buckets that are needed if no example is longer than `longest`, nor than `longest_clean` unaugmented.

    Raises:
      ConfigError: an example is longer than the last one.
    """
    if not buckets or buckets[-1] < longest_clean:
        raise ConfigError(
            f"buckets: the longest example has {longest_clean:.2f} s, the last of {list(buckets)} is shorter; "
            "add a bucket or lower max_seconds"
        )
    return [float(b) for i, b in enumerate(buckets) if i == 0 or buckets[i - 1] < longest]


def split_by_labels(
    seconds: Sequence[float],
    widest: Sequence[int],
    lengths: Float[np.ndarray, " N"],
    labels: Int[np.ndarray, " N"],
    *,
    count: int,
) -> tuple[list[float], list[int]]:
    """Split each bucket into `count` with different numbers of labels, for the least padding of these.

    Args:
      seconds: of each bucket, ascending.
      widest: most labels that can occur in each bucket, ascending.
      lengths, labels: seconds and number of labels of the examples.
      count: number of label lengths of each bucket, or fewer where they are few.

    Returns:
      (seconds, labels) of each of the new buckets. The last one of each old bucket holds what that held.

    Raises:
      ConfigError: `count` is below 1.
    """
    if count < 1:
        raise ConfigError(f"data.label_buckets is {count}; it is the number of padded lengths of labels, 1 or more")
    place = np.minimum(np.searchsorted(np.array(seconds), lengths), len(seconds) - 1)
    of_seconds, of_labels = [], []
    for k, (length, most) in enumerate(zip(seconds, widest, strict=True)):
        rounded = np.maximum(-(-labels[place == k] // MULTIPLE) * MULTIPLE, MULTIPLE).astype(np.float64)
        edges = least_padding(rounded, count).astype(int) if count > 1 and len(rounded) else []
        found = [*(int(edge) for edge in edges[:-1] if edge < most), most]
        of_seconds += [length] * len(found)
        of_labels += found
    return of_seconds, of_labels


def least_padding(values: Float[np.ndarray, " N"], count: int, *, cost: Cost = PLAIN) -> Float[np.ndarray, " K"]:
    """Find `count` lengths (or fewer), to which values are padded at the least cost; the last one is the greatest.

    By dynamic programming:

        padded(k, e) = min over d < e of padded(k - 1, d) + cost(e) * #{d < values <= e}

    where the lengths d, e are on a grid of 256 quantiles.
    """
    ordered = np.sort(values)
    last = np.unique(np.linspace(0, len(ordered) - 1, GRID).round().astype(np.int64))
    last = last[np.append(ordered[last[1:]] > ordered[last[:-1]], True)]  # one grid point per length
    edges, below = ordered[last], np.append(0, last + 1)
    # costs[i, j]: of the examples from grid point i to j, all padded to edge j.
    costs = np.where(below[:-1, None] <= last[None], cost.of(edges) * (below[1:] - below[:-1, None]), np.inf)
    padded, cuts = costs[0], []
    for _ in range(min(count, len(edges)) - 1):
        total = np.append(np.inf, padded[:-1])[:, None] + costs
        cuts.append(total.argmin(axis=0))
        padded = total.min(axis=0)
    chosen = [len(edges) - 1]
    for cut in reversed(cuts):
        chosen.append(cut[chosen[-1]] - 1)
    return edges[chosen[::-1]]


def assign(
    durations: Float[np.ndarray, " N"], buckets: Sequence[Bucket], labels: Int[np.ndarray, " N"] | None = None
) -> UInt8[np.ndarray, " N"]:
    """Find the bucket of each example: the first one that is long enough and has room for its labels.

    Raises:
      ConfigError: an example is longer than the last bucket, or has more labels.
    """
    edges, bucket_of = [bucket.seconds for bucket in buckets], np.empty(len(durations), np.uint8)
    for part in chunks(len(durations)):
        if labels is None:
            bucket_of[part] = np.searchsorted(edges, durations[part])
            continue
        bucket_of[part] = len(buckets)
        for number in reversed(range(len(buckets))):
            holds = (durations[part] <= buckets[number].seconds) & (labels[part] <= buckets[number].labels)
            bucket_of[part][holds] = number
    if len(durations) and bucket_of.max() == len(buckets):
        if labels is not None and durations.max() <= edges[-1]:
            raise ConfigError(f"buckets: an example has {labels.max()} labels, the last bucket {buckets[-1].labels}")
        longest = f"{durations.max():.2f} s and the last bucket {buckets[-1].seconds:.2f} s"
        raise ConfigError(f"buckets: the longest example has {longest}; add a bucket or lower max_seconds")
    return bucket_of


def upward(buckets: Sequence[Bucket]) -> list[int]:
    """For each bucket the first later one that holds all that it holds; the number of buckets for the last one."""
    return [
        next(
            (
                j
                for j in range(i + 1, len(buckets))
                if b.seconds <= buckets[j].seconds and b.labels <= buckets[j].labels
            ),
            len(buckets),
        )
        for i, b in enumerate(buckets)
    ]


def chunks(length: int) -> Iterator[slice]:
    """Split an array into slices, so that no intermediate result is as long as sixteen million examples."""
    return (slice(first, first + CHUNK) for first in range(0, length, CHUNK))
