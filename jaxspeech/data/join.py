"""Joins short utterances to longer ones, differently in each epoch: a pure function of the seed and the epoch.

group = consecutive examples, in the epoch's random order, as long as
        sum(seconds) + gap (examples - 1) <= join.seconds   and   sum(labels) <= the most labels of a batch
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.errors import ConfigError

# Each part of a joined example may be this much longer than planned, as seconds are rounded to samples.
ROUNDING_SECONDS = 0.002
# Labels that joining may add for each example: a space, where the tokenizer has one.
BETWEEN = 1


class Join(NamedTuple):
    """How short utterances are joined.

    Attributes:
      seconds: of a joined utterance at most; 0: none are joined.
      gap: seconds of silence between two utterances.
      probability: the share of utterances that may be joined with others.
    """

    seconds: int | float = 0.0
    gap: int | float = 0.1
    probability: int | float = 1.0

    def check(self) -> "Join":
        """The same, if its values are possible.

        Raises:
          ConfigError: names the one that is not.
        """
        if self.seconds < 0 or self.gap < 0:
            raise ConfigError(f"data.join: seconds is {self.seconds:g} and gap {self.gap:g}; both must not be negative")
        if not 0 <= self.probability <= 1:
            raise ConfigError(f"data.join.probability is {self.probability:g}; it is a share, from 0 to 1")
        return self


# No utterances are joined.
APART = Join()


class Groups(NamedTuple):
    """The joined examples of an epoch.

    Attributes:
      order: the rows of the epoch, one group after another.
      starts: where each group begins in `order`.
    """

    order: Int[np.ndarray, " R"]
    starts: Int[np.ndarray, " G"]

    @property
    def sizes(self) -> Int[np.ndarray, " G"]:
        """Number of examples of each group."""
        return np.diff(np.append(self.starts, len(self.order)))

    def seconds(self, seconds: Float[np.ndarray, " R"], join: Join) -> Float[np.ndarray, " G"]:
        """The length of each group, with the gaps in it."""
        between = (self.sizes - 1) * (join.gap + ROUNDING_SECONDS)
        return np.add.reduceat(seconds[self.order], self.starts) + between

    def labels(self, labels: Int[np.ndarray, " R"]) -> Int[np.ndarray, " G"]:
        """The number of labels of each group, with those that joining may add."""
        return np.add.reduceat(labels[self.order].astype(np.int64), self.starts) + (self.sizes - 1) * BETWEEN

    def rows(self, group: int) -> Int[np.ndarray, " P"]:
        """The rows of a group."""
        end = self.starts[group + 1] if group + 1 < len(self.starts) else len(self.order)
        return self.order[self.starts[group] : end]


def group(
    seconds: Float[np.ndarray, " R"],
    labels: Int[np.ndarray, " R"],
    join: Join,
    *,
    rng: np.random.Generator,
    most_labels: int | None = None,
    window_of: Int[np.ndarray, " R"] | None = None,
) -> Groups:
    """Group the rows of an epoch: each group is as long as fits.

    Args:
      seconds, labels: of each row.
      join: what fits.
      rng: random numbers for the order.
      most_labels: of a group; no limit by default.
      window_of: rows are joined with rows of the same window as long as there are any (shard_windows.py).
    """
    count = len(seconds)
    order = rng.permutation(count).astype(np.int32 if count < 2**31 else np.int64)
    alone = (rng.random(count) >= join.probability) | (seconds > join.seconds)
    if window_of is not None:
        order = order[np.argsort(window_of[order], kind="stable")]
    order = np.concatenate([order[~alone[order]], order[alone[order]]])
    joined = count - int(alone.sum())
    between = join.gap + ROUNDING_SECONDS
    ends = np.cumsum(seconds[order[:joined]] + between)
    label_ends = np.cumsum(labels[order[:joined]].astype(np.int64) + BETWEEN)
    starts, first, before, label_before = [], 0, 0.0, 0
    while first < joined:
        starts.append(first)
        # The gap of the last example counts in `ends`, but not in the group.
        stop = int(np.searchsorted(ends, before + join.seconds + between, side="right"))
        if most_labels is not None:
            stop = min(stop, int(np.searchsorted(label_ends, label_before + most_labels + BETWEEN, side="right")))
        first = max(stop, first + 1)
        before, label_before = float(ends[first - 1]), int(label_ends[first - 1])
    return Groups(order, np.concatenate([np.array(starts, np.int64), np.arange(joined, count)]))
