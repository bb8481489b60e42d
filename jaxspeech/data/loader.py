"""Batches for training and evaluation: Grain's threads load what the plan says.

Which examples make up a batch, and every random number in it, follow from the step alone (epochs.py, rng.py). So the
batches are the same for any number of threads, and a run that starts at step n sees what an uninterrupted one sees.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import Any, SupportsIndex

import grain
import numpy as np

from jaxspeech.audio.convert import Channel
from jaxspeech.data.assemble import Assembler
from jaxspeech.data.augment import Augment, AugmentConfig
from jaxspeech.data.epochs import Epochs, PlannedBatch
from jaxspeech.data.manifest import Entry, Manifest
from jaxspeech.data.plan import chunks, estimate_buckets, make_buckets, plan
from jaxspeech.data.problems import Problems
from jaxspeech.data.stretch import Stretch, draw, shortest
from jaxspeech.data.utterances import Utterances, name_entry
from jaxspeech.errors import ConfigError, SpeechError
from jaxspeech.tasks import recognition
from jaxspeech.text.tokenizer import Tokenizer


class TrainingData:
    """Shuffled, augmented batches without end.

    Attributes:
      batch_shapes: (rows, samples, labels) of each kind of batch, shortest first: what will be compiled.
      steps_per_epoch: of the first epoch; later ones may differ by a batch or two where lengths change.
      problems: what was skipped so far.
    """

    def __init__(
        self,
        manifest: Manifest,
        tokenizer: Tokenizer,
        *,
        sample_rate: int,
        buckets: int | Sequence[int | float],
        batch_seconds: int | float,
        batch_size: int,
        seed: int = 0,
        augment: AugmentConfig | None = None,
        channel: Channel = "mean",
        num_threads: int = 2,
        cache_bytes: int = 2**30,
        data_shards: int = 1,
        process_index: int = 0,
        process_count: int = 1,
    ):
        """Encode all transcripts and choose the shapes.

        Args:
          manifest: the examples, with weights.
          tokenizer: for the labels.
          sample_rate: of the batches, in Hz.
          buckets: how many shapes (their lengths are then estimated), or the lengths in seconds, ascending.
          batch_seconds: padded audio in a batch, at most; 0 makes the smallest batches.
          batch_size: examples in a batch, at most.
          seed: of the order and of all augmentation.
          augment: what to change; nothing by default.
          channel: of recordings with several: "mean", or a number.
          num_threads: that decode and augment.
          cache_bytes: memory for decoded audio; what does not fit is decoded again in each epoch.
          data_shards: devices that split a batch between them.
          process_index, process_count: this process yields its share of each batch's rows.

        Raises:
          ConfigError: an example is longer than the last bucket, or the batches cannot be split.
          ManifestError: too many transcripts cannot be encoded.
        """
        self._utterances = Utterances(
            manifest, tokenizer, sample_rate=sample_rate, channel=channel, cache_bytes=cache_bytes
        )
        augment = AugmentConfig() if augment is None else augment
        durations = self._utterances.manifest.durations
        longest = float(durations.max() / min(augment.speed) + 2 * augment.pad_seconds)
        options: dict[str, Any] = {"speeds": augment.speed, "seed": seed}
        options |= {"pad_seconds": augment.pad_seconds, "crop_seconds": augment.crop_seconds}
        if isinstance(buckets, int):
            draws, lengths = draw(len(durations), longest=longest, epoch=0, **options), durations.copy()
            for part in chunks(len(durations)):
                # However the first epoch was drawn, nothing needs to be sped up to fit.
                lengths[part] = np.maximum(draws.of(part, durations[part]).seconds(durations[part]), durations[part])
            buckets = estimate_buckets(lengths, buckets)
            del draws, lengths
        buckets = _useful(buckets, longest, float(durations.max()))
        self._make_buckets = partial(make_buckets, buckets, max_batch_size=batch_size, multiple_of=data_shards)
        self._make_epochs = partial(
            Epochs,
            durations,
            weights=self._utterances.manifest.weights,
            shards=self._utterances.manifest.shards,
            **options,
        )
        self._make_assembler = partial(
            Assembler,
            self._utterances,
            shortest=shortest(durations, speeds=augment.speed, crop_seconds=augment.crop_seconds, longest=buckets[-1]),
            sample_rate=sample_rate,
            seed=seed,
            augment=Augment(augment, sample_rate=sample_rate),
            share=(process_index, process_count),
        )
        self._num_threads = num_threads
        self._arrange(batch_seconds)

    def resized(self, batch_seconds: int | float) -> "TrainingData":
        """The same examples in batches of another size."""
        other = object.__new__(TrainingData)
        other.__dict__.update(self.__dict__)
        other._arrange(batch_seconds)
        return other

    def shapes(self, batch_seconds: int | float) -> Any:
        """`resized(batch_seconds).batch_shapes`, at once."""
        return self._make_assembler(self._make_buckets(batch_seconds=batch_seconds)).shapes

    def _arrange(self, batch_seconds: int | float) -> None:
        buckets = self._make_buckets(batch_seconds=batch_seconds)
        self._epochs = self._make_epochs(buckets=buckets)
        self._load = self._make_assembler(buckets)
        self.batch_shapes = self._load.shapes
        self.steps_per_epoch = self._epochs.first_step(1)

    def batches(self, start_step: int = 0) -> Iterator[recognition.Utterances]:
        """Batches from a step on, for ever.

        Raises:
          ManifestError: (while iterating) too many files turn out to be unusable.
        """
        return _read_ahead(lambda step: self._epochs[step], range(start_step, 2**62), self._load, self._num_threads)

    def locate(self, step: int) -> tuple[int, int]:
        """(epoch, position in it) of a step."""
        return self._epochs.locate(step)

    def text(self, index: SupportsIndex) -> str:
        """The transcript of an example, by `Batch.index`."""
        return self._utterances.manifest[index].text

    def name(self, index: SupportsIndex) -> str:
        """What a person finds an example by: its audio, and where in it."""
        return name_entry(self._utterances.manifest[index])

    @property
    def problems(self) -> Problems:
        return self._utterances.manifest.problems


class EvaluationData:
    """Every example once, sorted by length, as it is and without labels: a text that no tokenizer can spell counts too.

    Attributes:
      batch_shapes: (rows, samples, labels) of each kind of batch, shortest first.
      num_batches: of one pass.
      problems: what was skipped so far.
    """

    def __init__(
        self,
        manifest: Manifest,
        *,
        sample_rate: int,
        buckets: int | Sequence[int | float],
        batch_seconds: int | float,
        batch_size: int,
        channel: Channel = "mean",
        num_threads: int = 2,
        cache_bytes: int = 2**30,
        data_shards: int = 1,
        process_index: int = 0,
        process_count: int = 1,
    ):
        """As for `TrainingData`; a bucket is added where the longest example needs one."""
        self._utterances = Utterances(manifest, None, sample_rate=sample_rate, channel=channel, cache_bytes=cache_bytes)
        durations = self._utterances.manifest.durations
        longest = float(durations.max())
        if isinstance(buckets, int):
            buckets = estimate_buckets(durations, buckets)
        elif buckets and longest > buckets[-1]:
            buckets = (*buckets, longest)
        self._make_buckets = partial(
            make_buckets, _useful(buckets, longest, longest), max_batch_size=batch_size, multiple_of=data_shards
        )
        self._make_assembler = partial(
            Assembler,
            self._utterances,
            shortest=durations,
            sample_rate=sample_rate,
            share=(process_index, process_count),
        )
        self._num_threads = num_threads
        self._arrange(batch_seconds)

    def resized(self, batch_seconds: int | float) -> "EvaluationData":
        """The same examples in batches of another size."""
        other = object.__new__(EvaluationData)
        other.__dict__.update(self.__dict__)
        other._arrange(batch_seconds)
        return other

    def _arrange(self, batch_seconds: int | float) -> None:
        buckets = self._make_buckets(batch_seconds=batch_seconds)
        self._plan = plan(self._utterances.manifest.durations, buckets=buckets, shuffle=False)
        self._load = self._make_assembler(buckets)
        self.batch_shapes = self._load.shapes
        self.num_batches = self._plan.num_batches

    def batches(self) -> Iterator[recognition.Utterances]:
        """One pass.

        Raises:
          ManifestError: (while iterating) too many files turn out to be unusable.
        """
        return _read_ahead(self._planned, range(self.num_batches), self._load, self._num_threads)

    def batches_with(self, indices: Collection[int]) -> Iterator[recognition.Utterances]:
        """Those batches that hold any of these examples."""
        positions = [p for p in range(self.num_batches) if np.isin(self._plan.batch(p)[0], list(indices)).any()]
        return (self._load(self._planned(position)) for position in positions)

    def text(self, index: SupportsIndex) -> str:
        """The transcript of an example, by `Batch.index`."""
        return self.entry(index).text

    def entry(self, index: SupportsIndex) -> Entry:
        """Everything that the manifest says of an example."""
        return self._utterances.manifest[index]

    @property
    def problems(self) -> Problems:
        return self._utterances.manifest.problems

    def _planned(self, position: int) -> PlannedBatch:
        index, bucket = self._plan.batch(position)
        still = Stretch(np.ones(len(index)), np.zeros(len(index)), np.zeros(len(index)))
        return PlannedBatch(epoch=0, bucket=bucket, index=index, copy=np.zeros_like(index), stretch=still)


def _useful(buckets: Sequence[int | float], longest: float, longest_clean: float) -> list[float]:
    """The buckets that can occur, when no example is longer than `longest`."""
    if not buckets or buckets[-1] < longest_clean:
        raise ConfigError(
            f"buckets: the longest example has {longest_clean:.2f} s, the last of {list(buckets)} is shorter; "
            "add a bucket or lower max_seconds"
        )
    return [float(b) for i, b in enumerate(buckets) if i == 0 or buckets[i - 1] < longest]


class _Source:
    """`make(steps[i])` as the random-access source that Grain wants."""

    def __init__(self, make: Callable[[int], PlannedBatch], steps: range):
        self._make = make
        self._steps = steps

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, index: int) -> PlannedBatch:
        return self._make(self._steps[index])


def _read_ahead(
    make: Callable[[int], PlannedBatch],
    steps: range,
    load: Callable[[PlannedBatch], recognition.Utterances],
    num_threads: int,
) -> Iterator[recognition.Utterances]:
    def attempt(planned: PlannedBatch) -> recognition.Utterances | SpeechError:
        try:
            return load(planned)
        except SpeechError as error:
            return error  # raised below: Grain would add lines of its own to the message

    options = grain.ReadOptions(num_threads=num_threads, prefetch_buffer_size=2 * num_threads)
    for batch in grain.MapDataset.source(_Source(make, steps)).map(attempt).to_iter_dataset(options):
        if isinstance(batch, SpeechError):
            raise batch
        yield batch
