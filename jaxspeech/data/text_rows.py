"""Text data with one text a row, for models that score sentences: batches of a few padded lengths.

    row(i) = the tokens of text i; the task puts the end token before and after them

An epoch shows every text as often as the weight of its file says, in random order. The texts of a batch depend on the
step alone.
"""

import copy
import operator
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from itertools import count
from typing import Any, Generic, SupportsIndex, TypeVar

import jax
import numpy as np
from jaxtyping import Int

from jaxspeech.data.buckets import Bucket, estimate_buckets, make_buckets
from jaxspeech.data.columns.column import check_fields
from jaxspeech.data.epochs import Epochs
from jaxspeech.data.files import Location
from jaxspeech.data.plan import plan
from jaxspeech.data.problems import Problems
from jaxspeech.data.share import Share
from jaxspeech.data.text_stream import TextStream
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.types import BatchShape

B = TypeVar("B")
Rows = TypeVar("Rows", bound="_TextRows")
# Lengths of rows are multiples of this.
MULTIPLE = 8


class _TextRows(Generic[B]):
    """Base of training and evaluation data: the texts, shapes that can be changed, and loading."""

    batch_shapes: tuple[BatchShape, ...]

    def __init__(
        self, stream: TextStream, batch: type[B], *, share: Share, make_buckets: Callable[..., tuple[Bucket, ...]]
    ):
        check_fields(batch, ("labels", "num_labels"))
        self._stream = stream
        self._batch: Any = batch
        self._share = share
        self._make_buckets = make_buckets

    def resized(self: Rows, batch_tokens: int | float) -> Rows:
        """The same texts in batches of a different size."""
        other = copy.copy(self)
        other._arrange(batch_tokens)
        return other

    def shapes(self, batch_tokens: int | float) -> tuple[BatchShape, ...]:
        """`resized(batch_tokens).batch_shapes` without planning the batches."""
        return self._shapes(self._make_buckets(batch_seconds=batch_tokens))

    def name(self, index: SupportsIndex) -> str:
        """The file and line of a text."""
        return self._stream.name(self._stream.start(operator.index(index)))

    @property
    def digest(self) -> str:
        """A short hash of the texts."""
        return self._stream.digest

    @property
    def problems(self) -> Problems:
        """The lines that cannot be used."""
        return self._stream.problems

    def _arrange(self, batch_tokens: int | float) -> None:
        self._buckets = self._make_buckets(batch_seconds=batch_tokens)
        self.batch_shapes = self._shapes(self._buckets)

    def _shapes(self, buckets: Sequence[Bucket]) -> tuple[BatchShape, ...]:
        self._share.check(bucket.batch_size for bucket in buckets)
        return tuple(self._shape(int(bucket.seconds), bucket.batch_size) for bucket in buckets)

    def _shape(self, tokens: int, rows: int) -> BatchShape:
        shapes = {"labels": (rows, tokens - 1), "num_labels": (rows,), "index": (rows,)}
        arrays = {name: jax.ShapeDtypeStruct(shape, np.int32) for name, shape in shapes.items()}
        return BatchShape(self._batch(**arrays), rows=rows, size=float(tokens), unit="tokens")

    def _fill(self, index: Int[np.ndarray, " R"], bucket: int) -> B:
        """Make this process's share of a batch of these texts; -1 is a filler row."""
        index = index[self._share.of(len(index))].astype(np.int32)
        labels = np.zeros((len(index), int(self._buckets[bucket].seconds) - 1), np.int32)
        num_labels = np.zeros(len(index), np.int32)
        for row in np.flatnonzero(index >= 0):
            tokens = self._stream.text(int(index[row]))
            labels[row, : len(tokens)], num_labels[row] = tokens, len(tokens)
        return self._batch(labels=labels, num_labels=num_labels, index=index)


class TrainingTexts(_TextRows[B]):
    """Endless shuffled batches.

    Attributes:
      batch_shapes: the shape of each kind of batch, shortest first: one program is compiled for each.
      steps_per_epoch: steps of the first epoch; others may differ if weights are not whole numbers.
      too_long: number of texts that were left out for their length.
    """

    def __init__(
        self,
        paths: Sequence[Location],
        tokenizer: Tokenizer,
        batch: type[B],
        *,
        buckets: int | Sequence[int | float],
        batch_tokens: int | float,
        batch_size: int,
        max_tokens: int,
        weights: Sequence[int | float] | None = None,
        seed: int = 0,
        data_shards: int = 1,
        process_index: int = 0,
        process_count: int = 1,
        problems: Problems | None = None,
    ):
        """Read and encode all texts.

        Args:
          paths: JSON lines (.jsonl or .json) with a "text", or files with a text on each line.
          tokenizer: encodes the texts.
          batch: the NamedTuple class to fill: labels [B U], num_labels [B] and index [B].
          buckets: the number of padded lengths, or the lengths in tokens, ascending.
          batch_tokens: most padded tokens in a batch, end tokens included; 0 gives the smallest batches.
          batch_size: most texts in a batch.
          max_tokens: longer texts are left out, end tokens included.
          weights: how often an epoch shows each text of each file; once by default.
          seed: seed of the order.
          data_shards: number of devices that a batch is split over.
          process_index, process_count: this process yields its share of each batch's rows.
          problems: collects lines that are broken or cannot be encoded; a new collection by default.

        Raises:
          ConfigError: the batches cannot be split, or the buckets are invalid.
          ManifestError: a file cannot be read, too many lines cannot be used, or no text is left.
        """
        stream = TextStream(paths, tokenizer, problems=problems)
        self._examples = np.flatnonzero(stream.lengths <= max_tokens)
        self.too_long = len(stream) - len(self._examples)
        if not len(self._examples):
            short = f" of at most {max_tokens} tokens" if len(stream) else ""
            raise ManifestError(f"{', '.join(map(str, paths))}: no text{short}")
        lengths = _rounded(stream.lengths[self._examples])
        of_files = np.ones(len(paths)) if weights is None else np.array(weights, np.float64)
        planned = {"weights": of_files[stream.file_of[self._examples]], "seed": seed}
        self._make_epochs = partial(Epochs, lengths, **planned)
        options = {"max_batch_size": batch_size, "multiple_of": data_shards}
        make = partial(make_buckets, _lengths(buckets, lengths), **options)
        super().__init__(stream, batch, share=Share(process_index, process_count), make_buckets=make)
        self._arrange(batch_tokens)

    def batches(self, start_step: int = 0) -> Iterator[B]:
        """Yield batches from `start_step` on, without end."""
        return map(self.__getitem__, count(start_step))

    def __getitem__(self, step: int) -> B:
        planned = self._epochs[step]
        index = np.where(planned.index < 0, -1, self._examples[planned.index])
        return self._fill(index, planned.bucket)

    def _arrange(self, batch_tokens: int | float) -> None:
        super()._arrange(batch_tokens)
        self._epochs = self._make_epochs(buckets=self._buckets)
        self.steps_per_epoch = self._epochs.first_step(1)


class EvaluationTexts(_TextRows[B]):
    """Every text once, sorted by length.

    Attributes:
      batch_shapes: the shape of each kind of batch, shortest first.
      num_examples: number of texts, those that cannot be used included.
      num_batches: number of batches in one pass.
    """

    def __init__(
        self,
        paths: Sequence[Location],
        tokenizer: Tokenizer,
        batch: type[B],
        *,
        buckets: int | Sequence[int | float],
        batch_tokens: int | float,
        batch_size: int,
        data_shards: int = 1,
        process_index: int = 0,
        process_count: int = 1,
        problems: Problems | None = None,
    ):
        """Take the arguments of `TrainingTexts`; no text is left out for its length."""
        stream = TextStream(paths, tokenizer, problems=problems)
        if not len(stream):
            raise ManifestError(f"{', '.join(map(str, paths))}: no text")
        self.num_examples = len(stream) + len(stream.problems)
        self._lengths = _rounded(stream.lengths)
        options = {"max_batch_size": batch_size, "multiple_of": data_shards}
        make = partial(make_buckets, _lengths(buckets, self._lengths), **options)
        super().__init__(stream, batch, share=Share(process_index, process_count), make_buckets=make)
        self._arrange(batch_tokens)

    def batches(self) -> Iterator[B]:
        """Yield the batches of one pass."""
        return map(self._load, range(self.num_batches))

    def batches_with(self, indices: Collection[int]) -> Iterator[B]:
        """Yield the batches that contain any of these texts."""
        wanted = list(indices)
        return map(self._load, [p for p in range(self.num_batches) if np.isin(self._plan.batch(p)[0], wanted).any()])

    def fields(self, index: SupportsIndex) -> dict[str, Any]:
        """The field "text" of a text, as the tokenizer spells its tokens."""
        return {"text": self._stream.spelled_out(self._stream.text(operator.index(index)))}

    def _arrange(self, batch_tokens: int | float) -> None:
        super()._arrange(batch_tokens)
        self._plan = plan(self._lengths, buckets=self._buckets, shuffle=False)
        self.num_batches = self._plan.num_batches

    def _load(self, position: int) -> B:
        return self._fill(*self._plan.batch(position))


def _rounded(lengths: Int[np.ndarray, " N"]) -> np.ndarray:
    """The padded lengths, as floats: plans are of seconds."""
    return (-(-lengths // MULTIPLE) * MULTIPLE).astype(np.float64)


def _lengths(buckets: int | Sequence[int | float], lengths: np.ndarray) -> tuple[float, ...]:
    """The lengths of the buckets that are needed, a longer one added if the longest text needs it."""
    if isinstance(buckets, int):
        return estimate_buckets(lengths, buckets)
    if any(tokens % 1 or tokens < 2 for tokens in buckets):
        raise ConfigError(f"data.buckets: {list(buckets)} are not whole numbers of tokens, of 2 or more")
    longest = lengths.max()
    needed = [float(b) for i, b in enumerate(buckets) if i == 0 or buckets[i - 1] < longest]
    return tuple(needed if needed and needed[-1] >= longest else [*needed, float(longest)])
