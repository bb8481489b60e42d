"""Plans all batches of a run as one sequence: step -> (epoch, position) -> batch.

Everything kept between steps is only a cache and can be recomputed from the step, so the state of the data is one
integer.
"""

import threading
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.data.plan import Bucket, Plan, arrange, assign, chunks, count_assigned
from jaxspeech.data.rng import PHASE, SHUFFLE, generator
from jaxspeech.data.shard_windows import Windows, draw_windows
from jaxspeech.data.stretch import Draws, Stretch, draw


class PlannedBatch(NamedTuple):
    """The plan of one batch.

    Attributes:
      epoch: number of the epoch, from 0.
      bucket: number of the bucket, which decides the batch's shape.
      index: the example in each row; -1 is a filler row.
      copy: how many times this epoch has already shown the example (weights above 1).
      stretch: speed and padding of each row.
      next_shards: tars that will be needed soon.
    """

    epoch: int
    bucket: int
    index: Int[np.ndarray, " B"]
    copy: Int[np.ndarray, " B"]
    stretch: Stretch
    next_shards: tuple[int, ...] = ()


class EpochPlan(NamedTuple):
    """The plan of one epoch.

    Attributes:
      examples, copies: the example in each row of the epoch, and how many times it has already occurred; None where
        each example occurs exactly once.
      draws: how the lengths of the rows are changed.
      batches: the batches, whose entries number these rows.
      windows: the order in which tars are read.
    """

    examples: Int[np.ndarray, " R"] | None
    copies: Int[np.ndarray, " R"] | None
    draws: Draws
    batches: Plan
    windows: Windows | None


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
        shards: Int[np.ndarray, " N"] | None = None,
    ):
        """Set up the plan; epochs are planned when they are first needed.

        Args:
          durations: seconds of each example.
          weights: how often an epoch shows each example.
          buckets: shapes of the batches.
          seed: determines everything that is drawn.
          speeds, pad_seconds, crop_seconds, crop_to, pad_after_seconds, unpadded_share: see stretch.py.
          shards: the tar of each example; tars are read a few at a time, see shard_windows.py.
        """
        self.buckets = tuple(buckets)
        self._durations = durations
        self._weights = weights
        self._once = bool((weights == 1).all())
        self._seed = seed
        self._speeds = speeds
        self._pad_seconds, self._crop_seconds, self._crop_to = pad_seconds, crop_seconds, crop_to
        self._silences = {"pad_after_seconds": pad_after_seconds, "unpadded_share": unpadded_share}
        self._shards = shards
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
        index = rows if plan.examples is None else np.where(rows < 0, -1, plan.examples[rows])
        return PlannedBatch(
            epoch,
            bucket,
            index=index,
            copy=np.zeros_like(rows) if plan.copies is None else plan.copies[rows],
            stretch=plan.draws.of(rows, self._durations[index]),
            next_shards=() if plan.windows is None else plan.windows.after(index),
        )

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
            _, _, _, bucket_of = self._draw(len(self._first_steps) - 1)
            self._first_steps.append(self._first_steps[-1] + count_assigned(bucket_of, self.buckets))
        return self._first_steps[epoch]

    def _make_plan(self, epoch: int) -> EpochPlan:
        examples, copies, draws, bucket_of = self._draw(epoch)
        windows = window_of = None
        if self._shards is not None:
            windows = draw_windows(self._shards, seed=self._seed, epoch=epoch)
            window_of = windows.of if examples is None else windows.of[examples]
        rng = generator(self._seed, epoch, SHUFFLE)
        batches = arrange(bucket_of, buckets=self.buckets, rng=rng, window_of=window_of)
        return EpochPlan(examples, copies, draws, batches, windows)

    def _draw(self, epoch: int) -> tuple[np.ndarray | None, np.ndarray | None, Draws, np.ndarray]:
        """The epoch's examples, their copy numbers, how their lengths are changed, and the bucket of each."""
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
            longest=longest,
            seed=self._seed,
            epoch=epoch,
        )
        bucket_of = np.empty(count, np.uint8)
        for part in chunks(count):
            durations = self._durations[part if examples is None else examples[part]]
            # Rounding must not push an example that barely fits past the last bucket.
            seconds = np.minimum(draws.of(part, durations).seconds(durations), longest)
            bucket_of[part] = assign(seconds, self.buckets)
        return examples, copies, draws, bucket_of

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
