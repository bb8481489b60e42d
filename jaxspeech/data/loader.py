"""Loads batches for training and evaluation in Grain's threads, as planned.

The examples of a batch, and every random number in it, depend on the step alone (epochs.py, rng.py). So the batches
are the same for any number of threads, and a run resumed at step n gets the batches of an uninterrupted one.
"""

import copy
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Generic, SupportsIndex, TypeVar

import numpy as np

from jaxspeech.data.assemble import Assembler
from jaxspeech.data.augment import AugmentConfig
from jaxspeech.data.batching import ONE_SHAPE_EACH, Batching, planned_labels
from jaxspeech.data.buckets import PLAIN, Bucket, Cost, chunks, estimate_buckets, make_buckets, split_by_labels
from jaxspeech.data.columns.column import Column, widest
from jaxspeech.data.columns.usable import usable_examples
from jaxspeech.data.decode import name_entry
from jaxspeech.data.entry import Entry
from jaxspeech.data.epochs import Epochs, PlannedBatch
from jaxspeech.data.example_set import ExampleSet
from jaxspeech.data.join import group
from jaxspeech.data.limits import UNLIMITED, Limits
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.plan import Plan, plan
from jaxspeech.data.problems import Problems
from jaxspeech.data.read_ahead import read_ahead
from jaxspeech.data.rng import JOIN, generator
from jaxspeech.data.share import Share
from jaxspeech.data.stretch import Stretch, draw, shortest
from jaxspeech.errors import ConfigError
from jaxspeech.types import BatchShape

B = TypeVar("B")
Loader = TypeVar("Loader", bound="_Loader")


class _Loader(Generic[B]):
    """Base of training and evaluation data: the examples, shapes that can be changed, and loading."""

    batch_shapes: tuple[BatchShape, ...]
    _planned: Callable[[int], PlannedBatch]

    def __init__(
        self,
        manifest: ExampleSet,
        assembler: Assembler[B],
        *,
        make_buckets: Callable[..., tuple[Bucket, ...]],
        num_threads: int,
    ):
        self._manifest = manifest
        self._assemble = assembler
        self._make_buckets = make_buckets
        self._num_threads = num_threads

    def resized(self: Loader, batch_seconds: int | float) -> Loader:
        """The same examples in batches of a different size."""
        other = copy.copy(self)
        other._arrange(batch_seconds)
        return other

    def shapes(self, batch_seconds: int | float) -> tuple[BatchShape, ...]:
        """`resized(batch_seconds).batch_shapes` without planning the batches."""
        return self._assemble.shapes(self._make_buckets(batch_seconds=batch_seconds))

    def entry(self, index: SupportsIndex) -> Entry:
        """The manifest entry of an example, given its number in the batch's `index`."""
        return self._manifest[index]

    def fields(self, index: SupportsIndex) -> dict[str, Any]:
        """The fields of an example's manifest line."""
        return self.entry(index).fields

    def name(self, index: SupportsIndex) -> str:
        """The name of an example for people: its audio and, if not 0, the offset in it."""
        return name_entry(self.entry(index))

    @property
    def problems(self) -> Problems:
        return self._manifest.problems

    def _arrange(self, batch_seconds: int | float) -> None:
        self._buckets = self._make_buckets(batch_seconds=batch_seconds)
        self.batch_shapes = self._assemble.shapes(self._buckets)

    def _load(self, step: int) -> B:
        return self._assemble(self._planned(step))

    def _read(self, steps: range) -> Iterator[B]:
        return read_ahead(self._load, steps, num_threads=self._num_threads)


class TrainingData(_Loader[B]):
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
        durations = manifest.durations
        # Of longer examples a stretch is taken.
        needed = np.minimum(durations, augment.crop_to[1]) if augment.crop_to else durations
        longest = float(needed.max() / min(augment.speed) + 2 * augment.pad_seconds)
        cuts: dict[str, Any] = {"crop_seconds": augment.crop_seconds, "crop_to": augment.crop_to}
        options = {"speeds": augment.speed, "seed": seed, "pad_seconds": augment.pad_seconds} | cuts
        options |= {"pad_after_seconds": augment.pad_after_seconds, "unpadded_share": augment.unpadded_share}
        options["crop_from"] = augment.crop_from
        labels = planned_labels(columns, examples, batching)
        lengths, of_lengths = durations, labels
        if isinstance(buckets, int) or labels is not None:
            draws, lengths = draw(len(durations), longest=longest, epoch=0, **options), durations.copy()
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
        least = {"speeds": augment.speed, **cuts}
        buckets, most = _useful(buckets, longest, float(needed.max())), None
        if labels is not None and of_lengths is not None:
            widths = widest(labels, shortest(durations, longest=buckets[-1], **least), np.array(buckets))
            # Joined utterances may have more labels than any by itself.
            widths = np.maximum(widths, widest(of_lengths, np.minimum(lengths, buckets[-1]), np.array(buckets)))
            buckets, most = split_by_labels(buckets, widths.tolist(), lengths, of_lengths, count=batching.label_buckets)
        self._make_epochs = partial(
            Epochs,
            durations,
            weights=manifest.weights,
            shards=manifest.shards,
            labels=labels,
            join=batching.join._replace(seconds=min(batching.join.seconds, buckets[-1])),
            **options,
        )
        assembler = Assembler(
            manifest,
            columns,
            batch,
            examples=examples,
            shortest=shortest(durations, longest=buckets[-1], **least),
            bucket_seconds=buckets,
            bucket_labels=most,
            share=Share(process_index, process_count),
        )
        sizes = {"max_batch_size": batch_size, "multiple_of": data_shards, "cost": batching.cost}
        make = partial(make_buckets, buckets, labels=most, **sizes)
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


class EvaluationData(_Loader[B]):
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
        buckets = _useful(buckets, longest, longest)
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


def _useful(buckets: Sequence[int | float], longest: float, longest_clean: float) -> list[float]:
    """The buckets that are needed if no example is longer than `longest`."""
    if not buckets or buckets[-1] < longest_clean:
        raise ConfigError(
            f"buckets: the longest example has {longest_clean:.2f} s, the last of {list(buckets)} is shorter; "
            "add a bucket or lower max_seconds"
        )
    return [float(b) for i, b in enumerate(buckets) if i == 0 or buckets[i - 1] < longest]
