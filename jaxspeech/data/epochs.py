"""The whole run as one sequence of planned batches: step -> (epoch, position) -> batch.

Nothing is remembered between steps but what can be computed again from the step, so the state of the data is one
integer.
"""

import threading
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.data.plan import Bucket, Plan, count_batches, plan
from jaxspeech.data.rng import PHASE, generator
from jaxspeech.data.stretch import Stretch, draw_stretch


class PlannedBatch(NamedTuple):
    """What goes into one batch.

    Attributes:
      epoch: counted from 0.
      bucket: the batch's shape.
      index: examples of the dataset; -1 is a filler row.
      copy: how often this epoch has shown each example before (weights above 1).
      stretch: speed and padding of each row.
    """

    epoch: int
    bucket: int
    index: Int[np.ndarray, " B"]
    copy: Int[np.ndarray, " B"]
    stretch: Stretch


class Epochs:
    """Training batches without end: `epochs[step]`, the same whoever asks, in whatever order.

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
    ):
        self.buckets = tuple(buckets)
        self._durations = durations
        self._weights = weights
        self._seed = seed
        self._speeds = speeds
        self._pad_seconds = pad_seconds
        self._phases = generator(seed, 0, PHASE).random(len(durations))
        self._lock = threading.Lock()
        self._first_steps = [0]
        self._plan = lru_cache(maxsize=2)(self._make_plan)

    def __len__(self) -> int:
        return 2**62  # without end, as far as a data library needs to know

    def __getitem__(self, step: int) -> PlannedBatch:
        with self._lock:
            epoch, position = self._locate(step)
            examples, copies, stretch, batches = self._plan(epoch)
        rows, bucket = batches.batch(position)
        return PlannedBatch(
            epoch,
            bucket,
            index=np.where(rows < 0, -1, examples[rows]),
            copy=copies[rows],
            stretch=Stretch(*(values[rows] for values in stretch)),
        )

    def first_step(self, epoch: int) -> int:
        """The step that begins an epoch, counted from 0."""
        with self._lock:
            return self._first_step(epoch)

    def locate(self, step: int) -> tuple[int, int]:
        """(epoch, position in it) of a step."""
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
            _, _, _, seconds = self._draw(len(self._first_steps) - 1)
            self._first_steps.append(self._first_steps[-1] + count_batches(seconds, self.buckets))
        return self._first_steps[epoch]

    def _make_plan(self, epoch: int) -> tuple[np.ndarray, np.ndarray, Stretch, Plan]:
        examples, copies, stretch, seconds = self._draw(epoch)
        return examples, copies, stretch, plan(seconds, buckets=self.buckets, seed=self._seed, epoch=epoch)

    def _draw(self, epoch: int) -> tuple[np.ndarray, np.ndarray, Stretch, np.ndarray]:
        """The epoch's examples (each as often as its weight says), their copy numbers, stretches and lengths."""
        # floor((e + 1) w + p) - floor(e w + p) is floor(w) or ceil(w), and w on average over the epochs.
        shown = np.floor((epoch + 1) * self._weights + self._phases) - np.floor(epoch * self._weights + self._phases)
        times = shown.astype(np.int64)
        examples = np.repeat(np.arange(len(times)), times)
        copies = np.arange(len(examples)) - np.repeat(np.cumsum(times) - times, times)
        durations = self._durations[examples]
        stretch = draw_stretch(
            durations,
            speeds=self._speeds,
            pad_seconds=self._pad_seconds,
            longest=self.buckets[-1].seconds,
            seed=self._seed,
            epoch=epoch,
        )
        # Rounding must not push an example that fits just so past the last bucket.
        seconds = np.minimum(stretch.seconds(durations), self.buckets[-1].seconds)
        return examples, copies, stretch, seconds
