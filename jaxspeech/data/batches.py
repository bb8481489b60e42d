"""What a run needs of its data, be it recordings or text alone: batches of one NamedTuple type, in a few shapes."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, Protocol, SupportsIndex, TypeVar, runtime_checkable

from jaxspeech.data.problems import Problems
from jaxspeech.types import BatchShape

B = TypeVar("B", covariant=True)


@runtime_checkable
class Batches(Protocol[B]):
    """What training data and evaluation data have in common."""

    @property
    def batch_shapes(self) -> tuple[BatchShape, ...]:
        """Each kind of batch, shortest rows first: what will be compiled."""
        ...

    @property
    def problems(self) -> Problems:
        """What was skipped so far."""
        ...

    def name(self, index: SupportsIndex, /) -> str:
        """What a person finds a row by, which the batch's `index` numbers."""
        ...


@runtime_checkable
class TrainingBatches(Batches[B], Protocol[B]):
    """Batches without end; the step alone decides what is in each of them."""

    @property
    def steps_per_epoch(self) -> int:
        """Batches of the first epoch."""
        ...

    def batches(self, start_step: int = 0) -> Iterator[B]:
        """Batches from a step on, for ever: this process's share of their rows."""
        ...

    def shapes(self, batch_size: int | float, /) -> tuple[BatchShape, ...]:
        """`resized(batch_size).batch_shapes`, at once; 0 makes the smallest batches."""
        ...

    def resized(self, batch_size: int | float, /) -> "TrainingBatches[B]":
        """The same rows in batches of another size: padded seconds or tokens, as the unit of the shapes says."""
        ...


@runtime_checkable
class EvaluationBatches(Batches[B], Protocol[B]):
    """Every row once, as it is; `index` -1 is a filler row, which counts nowhere."""

    @property
    def num_batches(self) -> int:
        """Batches of one pass."""
        ...

    def batches(self) -> Iterator[B]:
        """One pass: this process's share of the rows of each batch."""
        ...

    def fields(self, index: SupportsIndex, /) -> dict[str, Any]:
        """What is known of a row, by the batch's `index`: the fields of its manifest line."""
        ...

    def batches_with(self, indices: Collection[int], /) -> Iterator[B]:
        """Those batches that hold any of these rows."""
        ...

    def resized(self, batch_size: int | float, /) -> "EvaluationBatches[B]":
        """The same rows in batches of another size."""
        ...


if TYPE_CHECKING:  # the type checker fails here where a class does not keep to its protocol
    from jaxspeech.data.evaluation_text import EvaluationTextBlocks
    from jaxspeech.data.loader import EvaluationData, TrainingData
    from jaxspeech.data.text_blocks import TextBlocks

    TRAINING: tuple[type[TrainingBatches[Any]], ...] = (TrainingData, TextBlocks)
    EVALUATION: tuple[type[EvaluationBatches[Any]], ...] = (EvaluationData, EvaluationTextBlocks)
