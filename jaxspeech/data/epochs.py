"""Plans all batches of a run as one sequence: step -> (epoch, position) -> batch.

Everything kept between steps is only a cache and can be recomputed from the step, so the state of the data is one
integer.
"""

import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from jaxspeech.data.buckets import Bucket, assign, chunks
from jaxspeech.data.join import APART, Groups, Join, group
from jaxspeech.data.plan import Plan, arrange, count_assigned
from jaxspeech.data.rng import JOIN, PHASE, SHUFFLE, generator
from jaxspeech.data.shard_windows import Windows, draw_windows
from jaxspeech.data.stretch import Draws, Stretch, draw


class Joined(NamedTuple):
    """Further examples of a batch, each joined to the end of a row.

    Attributes:
      row: the row of each.
      index, copy, stretch: as in `PlannedBatch`.
      gap: seconds of silence before each.
    """

    row: Int[np.ndarray, " J"]
    index: Int[np.ndarray, " J"]
    copy: Int[np.ndarray, " J"]
    stretch: Stretch
    gap: float


class PlannedBatch(NamedTuple):
    """The plan of one batch.

    Attributes:
      epoch: number of the epoch, from 0.
      bucket: number of the bucket, which decides the batch's shape.
      index: the example in each row, or the first one of those joined; -1 is a filler row.
      copy: how many times this epoch has already shown the example (weights above 1).
      stretch: speed and padding of each row.
      next_shards: tars that will be needed soon.
      joined: the further examples of the rows.
    """

    epoch: int
    bucket: int
    index: Int[np.ndarray, " B"]
    copy: Int[np.ndarray, " B"]
    stretch: Stretch
    next_shards: tuple[int, ...] = ()
    joined: Joined | None = None


class EpochPlan(NamedTuple):
    """The plan of one epoch.

    Attributes:
      examples, copies: the example in each row of the epoch, and how many times it has already occurred; None where
        each example occurs exactly once.
      draws: how the lengths of the rows are changed.
      batches: the batches, whose entries number these rows, or the groups of them.
      windows: the order in which tars are read.
      groups: the rows that are joined; None: none are.
    """

    examples: Int[np.ndarray, " R"] | None
    copies: Int[np.ndarray, " R"] | None
    draws: Draws
    batches: Plan
    windows: Windows | None
    groups: Groups | None = None


class Drawn(NamedTuple):
    """What is drawn for an epoch before its batches are planned.

    Attributes:
      examples, copies, draws, windows, groups: as in `EpochPlan`.
      bucket_of: the bucket of each row or, where rows are joined, of each group.
    """

    examples: Int[np.ndarray, " R"] | None
    copies: Int[np.ndarray, " R"] | None
    draws: Draws
    bucket_of: UInt8[np.ndarray, " G"]
    windows: Windows | None = None
    groups: Groups | None = None


class Epochs:
    """Endless training batches: `epochs[step]` depends on the step alone, not on the order of the calls.

    Attributes:
      buckets: shapes of the batches.
    """

    def __init__(
        self,
        durations: Float[np.ndarray, " N"],
        *,
        weights: Float[np.ndarray, " N"],
        buckets: Sequence[Bucket],
        seed: int,
        speeds: tuple[int | float, ...] = (1.0,),
        pad_seconds: int | float = 0.0,
        crop_seconds: int | float = 0.0,
        crop_to: tuple[int | float, ...] = (),
        pad_after_seconds: int | float = 0.0,
        unpadded_share: int | float = 0.0,
        crop_from: str = "random",
        shards: Int[np.ndarray, " N"] | None = None,
        labels: Int[np.ndarray, " N"] | None = None,
        join: Join = APART,
    ):
        """Set up the plan; epochs are planned when they are first needed.

        Args:
          durations: seconds of each example.
          weights: how often an epoch shows each example.
          buckets: shapes of the batches.
          seed: determines everything that is drawn.
          speeds, pad_seconds, crop_seconds, crop_to, crop_from, pad_after_seconds, unpadded_share: see stretch.py.
          shards: the tar of each example; tars are read a few at a time, see shard_windows.py.
          labels: number of labels of each example, if batches are planned by it too.
          join: how short examples are joined, which needs labels.
        """
        self.buckets = tuple(buckets)
        self._durations = durations
        self._weights = weights
        self._once = bool((weights == 1).all())
        self._seed = seed
        self._speeds = speeds
        self._pad_seconds, self._crop_seconds = pad_seconds, crop_seconds
        self._crop_to, self._crop_from = crop_to, crop_from
        self._silences = {"pad_after_seconds": pad_after_seconds, "unpadded_share": unpadded_share}
        self._shards = shards
        self._labels, self._join = labels, join
        self._lock = threading.Lock()
        self._first_steps = [0]
        self._plan = lru_cache(maxsize=2)(self._make_plan)

    def __len__(self) -> int:
        return 2**62  # endless; data libraries ask for a length

    def __getitem__(self, step: int) -> PlannedBatch:
        with self._lock:
            epoch, position = self._locate(step)
            plan = self._plan(epoch)
        rows, bucket = plan.batches.batch(position)
        joined = None
        if plan.groups is not None:
            rows, joined = self._parts(plan, rows)
        index, copy, stretch = self._rows(plan, rows)
        return PlannedBatch(
            epoch,
            bucket,
            index=index,
            copy=copy,
            stretch=stretch,
            next_shards=() if plan.windows is None else plan.windows.after(index),
            joined=joined,
        )

    def _rows(self, plan: EpochPlan, rows: Int[np.ndarray, " B"]) -> tuple[np.ndarray, np.ndarray, Stretch]:
        """The example, the number of its copy, and the change of its length, of rows of the epoch; -1 is a filler."""
        index = rows if plan.examples is None else np.where(rows < 0, -1, plan.examples[rows])
        copy = np.zeros_like(rows) if plan.copies is None else plan.copies[rows]
        return index, copy, plan.draws.of(rows, self._durations[index])

    def _parts(self, plan: EpochPlan, groups: Int[np.ndarray, " B"]) -> tuple[np.ndarray, Joined | None]:
        """The first row of each group, and the others; -1 is a filler."""
        assert plan.groups is not None
        parts = [plan.groups.rows(int(number)) if number >= 0 else np.array([-1]) for number in groups]
        further = np.concatenate([part[1:] for part in parts]).astype(np.int64)
        row = np.repeat(np.arange(len(parts)), [len(part) - 1 for part in parts])
        joined = Joined(row, *self._rows(plan, further), gap=float(self._join.gap)) if len(further) else None
        return np.array([part[0] for part in parts], np.int64), joined

    def first_step(self, epoch: int) -> int:
        """The first step of an epoch; both are counted from 0."""
        with self._lock:
            return self._first_step(epoch)

    def locate(self, step: int) -> tuple[int, int]:
        """The epoch of a step, and the step's position in it."""
        with self._lock:
            return self._locate(step)

    def _locate(self, step: int) -> tuple[int, int]:
        while self._first_steps[-1] <= step:
            self._first_step(len(self._first_steps))
        epoch = bisect_right(self._first_steps, step) - 1
        return epoch, step - self._first_steps[epoch]

    def _first_step(self, epoch: int) -> int:
        # Speeds, padding and weights move examples between buckets, so epochs differ by a batch or two.
        while len(self._first_steps) <= epoch:
            bucket_of = self._draw(len(self._first_steps) - 1).bucket_of
            self._first_steps.append(self._first_steps[-1] + count_assigned(bucket_of, self.buckets))
        return self._first_steps[epoch]

    def _make_plan(self, epoch: int) -> EpochPlan:
        drawn = self._draw(epoch)
        window_of = None
        if drawn.windows is not None:
            window_of = drawn.windows.of if drawn.examples is None else drawn.windows.of[drawn.examples]
            if drawn.groups is not None:
                window_of = np.maximum.reduceat(window_of[drawn.groups.order], drawn.groups.starts)
        rng = generator(self._seed, epoch, SHUFFLE)
        batches = arrange(drawn.bucket_of, buckets=self.buckets, rng=rng, window_of=window_of)
        return EpochPlan(drawn.examples, drawn.copies, drawn.draws, batches, drawn.windows, drawn.groups)

    def _draw(self, epoch: int) -> Drawn:
        """What is drawn for an epoch: its examples, how their lengths change, which are joined, and their buckets."""
        examples, copies = self._repeat(epoch)
        count = len(self._durations if examples is None else examples)
        longest = self.buckets[-1].seconds
        draws = draw(
            count,
            speeds=self._speeds,
            pad_seconds=self._pad_seconds,
            **self._silences,
            crop_seconds=self._crop_seconds,
            crop_to=self._crop_to,
            crop_from=self._crop_from,
            longest=longest,
            seed=self._seed,
            epoch=epoch,
        )
        windows = None if self._shards is None else draw_windows(self._shards, seed=self._seed, epoch=epoch)
        labels = self._labels if self._labels is None or examples is None else self._labels[examples]
        if self._join.seconds and labels is not None:
            seconds = np.concatenate([part for _, part in self._lengths(examples, draws, count)])
            rng, window_of = generator(self._seed, epoch, JOIN), None
            if windows is not None:
                window_of = windows.of if examples is None else windows.of[examples]
            most = self.buckets[-1].labels
            groups = group(seconds, labels, self._join, rng=rng, most_labels=most, window_of=window_of)
            of_groups = np.minimum(groups.seconds(seconds, self._join), longest)
            bucket_of = assign(of_groups, self.buckets, groups.labels(labels))
            return Drawn(examples, copies, draws, bucket_of, windows, groups)
        bucket_of = np.empty(count, np.uint8)
        for part, seconds in self._lengths(examples, draws, count):
            bucket_of[part] = assign(seconds, self.buckets, None if labels is None else labels[part])
        return Drawn(examples, copies, draws, bucket_of, windows)

    def _lengths(
        self, examples: Int[np.ndarray, " R"] | None, draws: Draws, count: int
    ) -> Iterator[tuple[slice, Float[np.ndarray, " C"]]]:
        """Yield the seconds of the rows of an epoch, a slice at a time."""
        for part in chunks(count):
            durations = self._durations[part if examples is None else examples[part]]
            # Rounding must not push an example that barely fits past the last bucket.
            yield part, np.minimum(draws.of(part, durations).seconds(durations), self.buckets[-1].seconds)

    def _repeat(self, epoch: int) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Repeat each example by its weight, and number the copies; (None, None) if each occurs exactly once."""
        if self._once:
            return None, None
        rng, times = generator(self._seed, 0, PHASE), np.empty(len(self._weights), np.int32)
        for part in chunks(len(times)):
            # floor((e + 1) w + p) - floor(e w + p) is floor(w) or ceil(w), and w on average over the epochs.
            weights, phases = self._weights[part], rng.random(len(times[part]))
            times[part] = np.floor((epoch + 1) * weights + phases) - np.floor(epoch * weights + phases)
        examples = np.repeat(np.arange(len(times), dtype=np.int32), times)
        copies = np.arange(len(examples), dtype=np.int32)
        copies -= np.repeat(np.cumsum(times, dtype=np.int32) - times, times)
        return examples, copies
