"""Assembles planned batches: loads the columns of the examples, varies them as planned, and pads them."""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import jax
import numpy as np
from jaxtyping import Float

from jaxspeech.data.buckets import Bucket
from jaxspeech.data.columns.column import Column, Examples, check_fields, fields_of
from jaxspeech.data.decode import name_entry
from jaxspeech.data.epochs import Joined, PlannedBatch
from jaxspeech.data.example_set import ExampleSet
from jaxspeech.data.share import Share
from jaxspeech.data.variant import Variant
from jaxspeech.errors import AudioError, SpeechError, as_speech_error
from jaxspeech.types import BatchShape

B = TypeVar("B")


class Assembler(Generic[B]):
    """`assemble(planned)` loads a batch; an example that cannot be loaded is reported and becomes a filler row."""

    def __init__(
        self,
        manifest: ExampleSet,
        columns: Mapping[str, Column],
        batch: type[B],
        *,
        examples: Examples,
        shortest: Float[np.ndarray, " K"],
        bucket_seconds: Sequence[float],
        bucket_labels: Sequence[int] | None = None,
        share: Share,
    ):
        """Choose the padded lengths.

        Args:
          manifest: the examples in use; planned batches refer to their positions in it.
          columns: the columns of the whole manifest from which these examples were selected.
          batch: the NamedTuple class to fill.
          examples: the positions of these examples in the whole manifest.
          shortest: the least seconds that any variant of each example has.
          bucket_seconds: the length of each bucket, ascending.
          bucket_labels: most labels of each bucket, where batches are planned by them too.
          share: the share of each batch's rows that this process assembles.

        Raises:
          TypeError: the columns do not match the batch's fields.
        """
        check_fields(batch, fields_of(columns))
        self._manifest = manifest
        self._columns = columns
        self._batch: Any = batch
        self._examples = examples
        self._share = share
        seconds = np.array(bucket_seconds)
        self._widths = {
            name: column.widths(examples, shortest, seconds)
            for name, column in columns.items()
            if column.widths is not None
        }
        if bucket_labels is not None:
            self._widths |= {name: tuple(bucket_labels) for name, column in columns.items() if column.planned}

    def shapes(self, buckets: Sequence[Bucket]) -> tuple[BatchShape, ...]:
        """Return the shape of each bucket's batches, over all processes together.

        Raises:
          ConfigError: a batch cannot be split between the processes.
        """
        self._share.check(bucket.batch_size for bucket in buckets)
        return tuple(self._shape(number, bucket) for number, bucket in enumerate(buckets))

    def __call__(self, planned: PlannedBatch) -> B:
        """Load this process's rows of a planned batch.

        Raises:
          ManifestError: too many examples turn out to be unusable.
        """
        self._manifest.fetch(planned.next_shards)
        mine = self._share.of(len(planned.index))
        index = planned.index[mine].astype(np.int32)
        fields = {
            name: np.zeros(shape, dtype) for name, (shape, dtype) in self._fields(len(index), planned.bucket).items()
        }
        for row, variants in enumerate(_variants(planned, mine)):
            if not variants:
                continue
            values, first = self._row(variants, planned)
            index[row] = first
            for name, value in values.items():
                if name in self._widths:
                    column, length = self._columns[name], self._columns[name].length(value)
                    fields[name][(row, *[slice(None)] * len(column.before), slice(length))] = value
                    if column.counted:
                        fields[f"num_{name}"][row] = length
                else:
                    fields[name][row] = value
        return self._batch(**fields, index=index)

    def _row(self, variants: Sequence[Variant], planned: PlannedBatch) -> tuple[dict[str, Any], int]:
        """The values of a row, joined of those of its examples that can be loaded, and the first of these or -1."""
        loaded: list[tuple[Variant, dict[str, Any]]] = []
        for variant in variants:
            try:
                loaded.append((variant, self._values(variant, planned.bucket)))
            except Exception as error:  # whatever a decoder or tokenizer raises for one example
                self._skip(variant.index, error)
                continue
            self._manifest.problems.loaded()
        if not loaded:
            return {}, -1
        first, values = loaded[0]
        if len(loaded) > 1 and planned.joined is not None:
            try:
                values = self._join(loaded, planned.joined.gap, planned.bucket)
            except Exception as error:
                self._skip(first.index, error)
                return {}, -1
        return values, first.index

    def _values(self, variant: Variant, bucket: int) -> dict[str, Any]:
        """The value of each column in which the example is usable."""
        example, values = self._example(variant), {}
        for name, column in self._columns.items():
            if not column.usable[example]:
                continue
            values[name] = value = column.row(example, variant)
            self._check_length(name, value, bucket, "longer than its manifest says")
        return values

    def _join(self, loaded: Sequence[tuple[Variant, dict[str, Any]]], gap: float, bucket: int) -> dict[str, Any]:
        """The values of the columns, joined."""
        examples, joined = [self._example(variant) for variant, _ in loaded], {}
        for name, column in self._columns.items():
            assert column.join is not None
            joined[name] = column.join(examples, [values[name] for _, values in loaded], gap)
            self._check_length(name, joined[name], bucket, "too long together with the utterances joined to it")
        return joined

    def _check_length(self, name: str, value: Any, bucket: int, why: str) -> None:
        if name in self._widths and self._columns[name].length(value) > (width := self._widths[name][bucket]):
            raise AudioError(f"is {why} ({self._columns[name].length(value)} {name} for {width})")

    def _example(self, variant: Variant) -> int:
        """The number of an example in the whole manifest."""
        return variant.index if isinstance(self._examples, slice) else int(self._examples[variant.index])

    def _skip(self, index: int, error: Exception) -> None:
        problems, place = self._manifest.problems, name_entry(self._manifest[index])
        problems.add(place, str(error if isinstance(error, SpeechError) else as_speech_error(error, place)))
        problems.failed(self._manifest.num_candidates)

    def _shape(self, number: int, bucket: Bucket) -> BatchShape:
        fields = self._fields(bucket.batch_size, number) | {"index": ((bucket.batch_size,), np.int32)}
        arrays = {name: jax.ShapeDtypeStruct(shape, dtype) for name, (shape, dtype) in fields.items()}
        shape = BatchShape(self._batch(**arrays), rows=bucket.batch_size, size=bucket.seconds)
        return shape._replace(labels=bucket.labels, cost=bucket.cost)

    def _fields(self, rows: int, bucket: int) -> dict[str, tuple[tuple[int, ...], Any]]:
        """Shape and dtype of each field that the columns fill, in a batch of `rows` rows."""
        fields: dict[str, tuple[tuple[int, ...], Any]] = {}
        for name, column in self._columns.items():
            length = (self._widths[name][bucket],) if name in self._widths else ()
            fields[name] = (rows, *column.before, *length, *column.shape), column.dtype
            if length and column.counted:
                fields[f"num_{name}"] = (rows,), np.int32
        return fields


def _variants(planned: PlannedBatch, mine: slice) -> list[list[Variant]]:
    """The variants of the examples of these rows; none for a filler row."""
    rows = range(*mine.indices(len(planned.index)))
    found: list[list[Variant]] = [[] for _ in rows]
    for row in rows:
        if planned.index[row] >= 0:
            found[row - rows.start].append(_variant(planned.epoch, planned, row))
    if planned.joined is not None:
        for place, row in enumerate(planned.joined.row.tolist()):
            if row in rows:
                found[row - rows.start].append(_variant(planned.epoch, planned.joined, place))
    return found


def _variant(epoch: int, of: PlannedBatch | Joined, place: int) -> Variant:
    changes = (float(values[place]) for values in of.stretch)
    return Variant(*changes, epoch=epoch, index=int(of.index[place]), copy=int(of.copy[place]))
