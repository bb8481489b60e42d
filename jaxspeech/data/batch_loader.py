"""Reads the planned batches of a data set ahead: what training and evaluation data have in common."""

import copy
from collections.abc import Callable, Iterator
from typing import Any, Generic, SupportsIndex, TypeVar

from jaxspeech.data.assemble import Assembler
from jaxspeech.data.buckets import Bucket
from jaxspeech.data.decode import name_entry
from jaxspeech.data.entry import Entry
from jaxspeech.data.epochs import PlannedBatch
from jaxspeech.data.example_set import ExampleSet
from jaxspeech.data.problems import Problems
from jaxspeech.data.read_ahead import read_ahead
from jaxspeech.types import BatchShape

B = TypeVar("B")
Loader = TypeVar("Loader", bound="BatchLoader")


class BatchLoader(Generic[B]):
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
