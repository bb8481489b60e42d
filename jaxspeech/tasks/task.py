"""The interface between a task and the code that trains, saves and runs it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import flax.linen as nn
from jaxtyping import Array, Float

from jaxspeech.types import B, Capacity, Key, Phase, Variables

P = TypeVar("P")
F = TypeVar("F")


def everything(variables: Variables) -> Variables:
    """Returns all variables: those of a model that needs them all, in training and in use."""
    return variables


@dataclass(frozen=True)
class Task(Generic[B, P, F]):
    """Pure functions of one frozen module; training, archives and exports use a model only through them.

    Attributes:
      model: the Flax module; its methods are public too.
      batch: the type of its batches, a NamedTuple with a field `index` (see `types.Rows`).
      init: key -> variables.
      phases: the updates of one training step, in order; a single one except in adversarial tasks.
      predict: (variables, batch) -> predictions for evaluation, a pytree with B leading in every leaf; it does not use
        the targets in the batch.
      seconds: batch -> seconds of audio in each row [B]; zeros for text.
      inference: the functions that a pipeline calls; its type, one of `tasks.kinds`, is the kind of model.
      capacity: which examples are too long or too short to learn from, so that a run can report them before its first
        step; None if the lengths do not matter.
      used: variables, or their shapes -> those that `predict` and `inference` need. The others, such as discriminators,
        are for training alone: pipelines drop them, and what is without them can be trained again with new ones.
    """

    model: nn.Module
    batch: type[B]
    init: Callable[[Key], Variables]
    phases: tuple[Phase[B], ...]
    predict: Callable[[Variables, B], P]
    seconds: Callable[[B], Float[Any, " B"]]
    inference: F
    capacity: Capacity | None = None
    used: Callable[[Variables], Variables] = everything

    @property
    def loss(self) -> Callable[[Variables, B, Key], tuple[Float[Array, " B"], Variables]]:
        """The loss of a task with one phase, as a function (variables, batch, key) -> (losses [B], updates).

        Raises:
          ValueError: the task has several phases, each with its own loss.
        """
        if len(self.phases) != 1:
            raise ValueError(f"this task has {len(self.phases)} phases: use task.phases[i].loss")
        phase = self.phases[0]

        def loss(variables: Variables, batch: B, key: Key) -> tuple[Float[Array, " B"], Variables]:
            rows, updates = phase.loss(variables, batch, key)
            return rows.losses, updates

        return loss
