"""Loads batches for training and evaluation in Grain's threads, as planned.

The examples of a batch, and every random number in it, depend on the step alone (epochs.py, rng.py). So the batches
are the same for any number of threads, and a run resumed at step n gets the batches of an uninterrupted one.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

import numpy as np

from jaxspeech.data.assemble import Assembler
from jaxspeech.data.augment import AugmentConfig
from jaxspeech.data.batch_loader import BatchLoader
from jaxspeech.data.batching import ONE_SHAPE_EACH, Batching, planned_labels
from jaxspeech.data.buckets import PLAIN, Cost, estimate_buckets, make_buckets, useful_buckets
from jaxspeech.data.columns.column import Column
from jaxspeech.data.columns.usable import usable_examples
from jaxspeech.data.epochs import Epochs, PlannedBatch
from jaxspeech.data.example_set import ExampleSet
from jaxspeech.data.limits import UNLIMITED, Limits
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.plan import Plan, plan
from jaxspeech.data.share import Share
from jaxspeech.data.stretch import Stretch
from jaxspeech.data.training_buckets import changes_of, training_buckets

B = TypeVar("B")


class TrainingData(BatchLoader[B]):
    """Endless shuffled, augmented batches.

    Attributes:
      batch_shapes: the shape of each kind of batch, shortest first: one program is compiled for each.
      steps_per_epoch: steps of the first epoch; later ones may differ by a batch or two if lengths are augmented.
      left_out: number of examples outside the limits, by what they have too much or too little of.
      problems: the examples that were skipped so far.
    """

    def __init__(
        self,
        manifest: ExampleSet,
        columns: Mapping[str, Column],
        batch: type[B],
        *,
        buckets: int | Sequence[int | float],
        batch_seconds: int | float,
        batch_size: int,
        seed: int = 0,
        augment: AugmentConfig | None = None,
        num_threads: int = 2,
        data_shards: int = 1,
        process_index: int = 0,
        process_count: int = 1,
        batching: Batching = ONE_SHAPE_EACH,
        limits: Limits = UNLIMITED,
    ):
        """Choose the examples and the shapes.

        Args:
          manifest: the examples, with weights. Examples that are not usable in every column are left out and reported.
          columns: the columns of the manifest, by the fields of the batch that they fill.
          batch: the NamedTuple class to fill.
          buckets: the number of shapes (their lengths are then estimated), or the lengths in seconds, ascending.
          batch_seconds: most seconds of padded audio in a batch; 0 gives the smallest batches.
          batch_size: most examples in a batch.
          seed: seed of the order, and of speeds, silences and cuts.
          augment: how speeds, silences and cuts are drawn; none by default. They apply to all columns.
          num_threads: number of threads that decode and augment.
          data_shards: number of devices that a batch is split over.
          process_index, process_count: this process yields its share of each batch's rows.
          batching: what an example costs, shapes by labels too, and joined utterances.
          limits: examples with more or fewer labels, or more or fewer a second, are left out.

        Raises:
          ConfigError: an example is longer than the last bucket, or the batches cannot be split; or examples are to be
            planned, joined or left out by what their columns do not have.
          ManifestError: too many examples are unusable.
          TypeError: the columns do not match the batch's fields.
        """
        examples, self.left_out = limits.within(manifest, columns, usable_examples(manifest, columns), buckets=buckets)
        if not isinstance(examples, slice):
            manifest = manifest.take(examples)
        augment = AugmentConfig() if augment is None else augment
        labels = planned_labels(columns, examples, batching)
        padded = training_buckets(
            manifest.durations, labels, buckets=buckets, augment=augment, batching=batching, seed=seed
        )
        self._make_epochs = partial(
            Epochs,
            manifest.durations,
            weights=manifest.weights,
            shards=manifest.shards,
            labels=labels,
            join=batching.join._replace(seconds=min(batching.join.seconds, padded.seconds[-1])),
            seed=seed,
            **changes_of(augment),
        )
        assembler = Assembler(
            manifest,
            columns,
            batch,
            examples=examples,
            shortest=padded.shortest,
            bucket_seconds=padded.seconds,
            bucket_labels=padded.labels,
            share=Share(process_index, process_count),
        )
        sizes = {"max_batch_size": batch_size, "multiple_of": data_shards, "cost": batching.cost}
        make = partial(make_buckets, padded.seconds, labels=padded.labels, **sizes)
        super().__init__(manifest, assembler, make_buckets=make, num_threads=num_threads)
        self._arrange(batch_seconds)

    def batches(self, start_step: int = 0) -> Iterator[B]:
        """Yield batches from `start_step` on, without end.

        Raises:
          ManifestError: (while iterating) too many files turn out to be unusable.
        """
        return self._read(range(start_step, 2**62))

    def locate(self, step: int) -> tuple[int, int]:
        """The epoch of a step, and the step's position in it."""
        return self._epochs.locate(step)

    def _arrange(self, batch_seconds: int | float) -> None:
        super()._arrange(batch_seconds)
        self._epochs = self._make_epochs(buckets=self._buckets)
        self._planned = self._epochs.__getitem__
        self.steps_per_epoch = self._epochs.first_step(1)


class EvaluationData(BatchLoader[B]):
    """Every example once, sorted by length, unaugmented; the field of a column without a usable value is empty.

    Attributes:
      batch_shapes: the shape of each kind of batch, shortest first.
      num_examples: number of examples of the manifest, those that cannot be used included.
      num_batches: number of batches in one pass.
      problems: the examples that were skipped so far.
    """

    def __init__(
        self,
        manifest: Manifest,
        columns: Mapping[str, Column],
        batch: type[B],
        *,
        buckets: int | Sequence[int | float],
        batch_seconds: int | float,
        batch_size: int,
        num_threads: int = 2,
        data_shards: int = 1,
        process_index: int = 0,
        process_count: int = 1,
        cost: Cost = PLAIN,
    ):
        """Take the arguments of `TrainingData`; a bucket is added if the longest example needs one."""
        self.num_examples = manifest.num_candidates
        durations = manifest.durations
        longest = float(durations.max())
        if isinstance(buckets, int):
            buckets = estimate_buckets(durations, buckets, cost=cost)
        elif buckets and longest > buckets[-1]:
            buckets = (*buckets, longest)
        buckets = useful_buckets(buckets, longest, longest)
        assembler = Assembler(
            manifest,
            columns,
            batch,
            examples=slice(None),
            shortest=durations,
            bucket_seconds=buckets,
            share=Share(process_index, process_count),
        )
        make = partial(make_buckets, buckets, max_batch_size=batch_size, multiple_of=data_shards, cost=cost)
        super().__init__(manifest, assembler, make_buckets=make, num_threads=num_threads)
        self._arrange(batch_seconds)

    def batches(self) -> Iterator[B]:
        """Yield the batches of one pass.

        Raises:
          ManifestError: (while iterating) too many files turn out to be unusable.
        """
        return self._read(range(self.num_batches))

    def batches_with(self, indices: Collection[int]) -> Iterator[B]:
        """Yield the batches that contain any of these examples."""
        positions = [p for p in range(self.num_batches) if np.isin(self._plan.batch(p)[0], list(indices)).any()]
        return map(self._load, positions)

    def _arrange(self, batch_seconds: int | float) -> None:
        super()._arrange(batch_seconds)
        self._plan = plan(self._manifest.durations, buckets=self._buckets, shuffle=False)
        self._planned = partial(_still, self._plan)
        self.num_batches = self._plan.num_batches


def _still(plan: Plan, position: int) -> PlannedBatch:
    """Plan a batch of unaugmented examples."""
    index, bucket = plan.batch(position)
    still = Stretch(np.ones(len(index)), np.zeros(len(index)), np.zeros(len(index)))
    return PlannedBatch(epoch=0, bucket=bucket, index=index, copy=np.zeros_like(index), stretch=still)
