"""The contract between a task and everything that trains, saves or runs it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import flax.linen as nn
from jaxtyping import Array, Float

from jaxspeech.types import B, Key, Phase, Variables

P = TypeVar("P")
F = TypeVar("F")


@dataclass(frozen=True)
class Task(Generic[B, P, F]):
    """Pure functions over one frozen module: all that training, archives and exports know of a model.

    Attributes:
      model: the Flax module; its methods are public too.
      batch: the type of its batches, a NamedTuple with a field `index` (see `types.Rows`).
      init: key -> variables.
      phases: the updates of one training step, in order; one but for adversarial tasks.
      predict: (variables, batch) -> what evaluations look at, a pytree with B leading in every leaf; targets in the
        batch are not looked at.
      seconds: batch -> seconds of audio in each row [B]; zeros for text.
      inference: the record of `tasks.kinds` that says what kind of model it is: what a pipeline calls.
    """

    model: nn.Module
    batch: type[B]
    init: Callable[[Key], Variables]
    phases: tuple[Phase[B], ...]
    predict: Callable[[Variables, B], P]
    seconds: Callable[[B], Float[Any, " B"]]
    inference: F

    @property
    def loss(self) -> Callable[[Variables, B, Key], tuple[Float[Array, " B"], Variables]]:
        """(variables, batch, key) -> (losses [B], updates), of a task with one phase.

        Raises:
          ValueError: the task has several phases, each with a loss of its own.
        """
        if len(self.phases) != 1:
            raise ValueError(f"this task has {len(self.phases)} phases: use task.phases[i].loss")
        phase = self.phases[0]

        def loss(variables: Variables, batch: B, key: Key) -> tuple[Float[Array, " B"], Variables]:
            rows, updates = phase.loss(variables, batch, key)
            return rows.losses, updates

        return loss
