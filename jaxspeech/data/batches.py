"""The interfaces of training and evaluation data: batches of one NamedTuple type, in a few shapes."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, Protocol, SupportsIndex, TypeVar, runtime_checkable

from jaxspeech.data.problems import Problems
from jaxspeech.types import BatchShape

B = TypeVar("B", covariant=True)


@runtime_checkable
class Batches(Protocol[B]):
    """The part of the interface that training data and evaluation data share."""

    @property
    def batch_shapes(self) -> tuple[BatchShape, ...]:
        """The shape of each kind of batch, shortest rows first: one program is compiled for each."""
        ...

    @property
    def problems(self) -> Problems:
        """The examples that were skipped so far."""
        ...

    def name(self, index: SupportsIndex, /) -> str:
        """A name by which a person finds a row, given its number in the batch's `index`."""
        ...


@runtime_checkable
class TrainingBatches(Batches[B], Protocol[B]):
    """Endless batches; the step alone determines the content of each."""

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches in the first epoch."""
        ...

    def batches(self, start_step: int = 0) -> Iterator[B]:
        """Yield this process's share of the rows of each batch, from `start_step` on, without end."""
        ...

    def shapes(self, batch_size: int | float, /) -> tuple[BatchShape, ...]:
        """`resized(batch_size).batch_shapes` without planning the batches; 0 gives the smallest batches."""
        ...

    def resized(self, batch_size: int | float, /) -> "TrainingBatches[B]":
        """The same rows in batches of a different size: padded seconds or tokens, by the unit of the shapes."""
        ...


@runtime_checkable
class EvaluationBatches(Batches[B], Protocol[B]):
    """Every row once, unaugmented; rows with `index` -1 are fillers, to be ignored."""

    @property
    def num_examples(self) -> int:
        """Number of rows of the set, those that cannot be used included."""
        ...

    @property
    def num_batches(self) -> int:
        """Number of batches in one pass."""
        ...

    def batches(self) -> Iterator[B]:
        """Yield this process's share of the rows of each batch, for one pass."""
        ...

    def fields(self, index: SupportsIndex, /) -> dict[str, Any]:
        """The fields of a row's manifest line, given its number in the batch's `index`."""
        ...

    def batches_with(self, indices: Collection[int], /) -> Iterator[B]:
        """Yield the batches that contain any of these rows."""
        ...

    def resized(self, batch_size: int | float, /) -> "EvaluationBatches[B]":
        """The same rows in batches of a different size."""
        ...


if TYPE_CHECKING:  # the type checker reports an error here if a class does not implement its protocol
    from jaxspeech.data.evaluation_text import EvaluationTextBlocks
    from jaxspeech.data.loader import EvaluationData, TrainingData
    from jaxspeech.data.text_blocks import TextBlocks
    from jaxspeech.data.text_rows import EvaluationTexts, TrainingTexts

    TRAINING: tuple[type[TrainingBatches[Any]], ...] = (TrainingData, TextBlocks, TrainingTexts)
    EVALUATION: tuple[type[EvaluationBatches[Any]], ...] = (EvaluationData, EvaluationTextBlocks, EvaluationTexts)
