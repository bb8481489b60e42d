"""Defines the shape letters of every signature, and the types that tasks share with the training code.

| letter | meaning                        | letter | meaning                                  |
|--------|--------------------------------|--------|------------------------------------------|
| B      | batch                          | U      | labels of a transcript                   |
| S      | audio samples                  | V      | vocabulary, without the blank            |
| F      | features (mel bins)            | D      | model width                              |
| T      | frames                         | H, K   | attention heads, width of a head         |
| N      | emitted tokens                 | L      | encoder layers                           |
| C      | classes, or channels           | E      | width of an embedding                    |

Arrays are batch first and padded; a length array (`num_samples`, `num_frames`, `num_labels`, [B]) says how
much of each row is real. No result depends on the content of the padding.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Array, Float, Int

# The length of an axis: an int, or a symbol of `jax.export`, which traces one program for all lengths.
Size = Any
# Nested dicts of arrays: {"params": ..., "batch_stats": ...}.
Variables = dict[str, Any]
# A `jax.random.key`.
Key = Any
# Waveforms [B S] or, in their place, mel frames [B T F] that a model's frontend then only normalises and pads.
Sound = Float[Any, "B S *F"]


@runtime_checkable
class Rows(Protocol):
    """A padded batch: a NamedTuple of the task's own, of NumPy arrays (on the host) or JAX arrays, B leading in each.

    `index` is each row's place in the dataset; -1 marks a filler row, which is ignored everywhere.
    """

    @property
    def index(self) -> Int[Any, " B"]: ...


# The type of a task's batches, which are `Rows`. It has no bound: runtime checkers cannot test classes for protocols.
B = TypeVar("B")


class RowLosses(NamedTuple):
    """What a loss function returns for each row of a batch.

    Attributes:
      losses: inf if nothing can be learned from the row, which is then counted but has no gradient.
      weights: the amount of data in the row (labels, frames, tokens); the reduction "mean_volume" divides by it.
      logged: parts of the loss and other metrics of each row, by name; the same names at every step.
    """

    losses: Float[Array, " B"]
    weights: Float[Array, " B"]
    logged: Mapping[str, Float[Array, " B"]]


@dataclass(frozen=True)
class Phase(Generic[B]):
    """One update within a training step. Adversarial tasks have two (discriminator, then generator), all others one.

    Attributes:
      loss: (variables, batch, key) -> (RowLosses, updates). `updates` holds the new value of every collection except
        "params" (running statistics).
      trains: regular expression that matches the names of the parameters that this phase updates; "" is all.
      name: prefix of the metrics' names if there are several phases.
    """

    loss: Callable[[Variables, B, Key], tuple[RowLosses, Variables]]
    trains: str = ""
    name: str = ""


class Extents(NamedTuple):
    """What is known about examples before any of them is loaded.

    Attributes:
      lengths: the length of each example's value, by the field of the batch: {"samples": [N], "labels": [N]}.
      values: (field, numbers of examples) -> the values themselves. This is slow where they are many.
    """

    lengths: Mapping[str, Int[np.ndarray, " N"]]
    values: Callable[[str, Int[np.ndarray, " K"]], Iterable[np.ndarray]]


class Capacity(NamedTuple):
    """What a model can learn from, as far as that follows from the lengths of an example.

    Attributes:
      measure: examples -> (what each needs at least [N], what it has [N]), in `unit`. Nothing can be learned from an
        example that needs more than it has: its loss is inf.
      unit: of both numbers, for messages: "encoder frames".
      advice: what to change if many examples need too much.
    """

    measure: Callable[[Extents], tuple[Int[np.ndarray, " N"], Int[np.ndarray, " N"]]]
    unit: str
    advice: str


class BatchShape(NamedTuple):
    """The shape of a padded batch.

    Attributes:
      arrays: the batch's type, filled with jax.ShapeDtypeStruct; the rows of all processes together.
      rows: number of rows of the batch.
      size: padded length of a row, in `unit`.
      unit: "s" of audio, or "tokens".
      labels: padded number of labels of a row, where batches are planned by it too.
      cost: what a row counts against the size of a batch, in `unit`; 0: its size.
    """

    arrays: Any
    rows: int
    size: float
    unit: str = "s"
    labels: int = 0
    cost: float = 0.0

    @property
    def total(self) -> float:
        """What the rows together count against the size of a batch."""
        return self.rows * (self.cost or self.size)

    def __str__(self) -> str:
        length = f"{self.size:.2f} {self.unit}" if self.unit == "s" else f"{self.size:.0f} {self.unit}"
        return f"{self.rows} x {length}" + (f" x {self.labels}" if self.labels else "")
