"""The update of each phase of a task: an optimizer, and the parameters that it trains."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import optax

from jaxspeech.training.optimizer import build_optimizer
from jaxspeech.training.parameters import Choice, choose_trainable
from jaxspeech.training.schedules import Schedule
from jaxspeech.types import Phase


class Update(NamedTuple):
    """How one phase's parameters are updated.

    Attributes:
      optimizer: gradients -> updates, the learning rate included.
      trainable: which parameters the phase trains, the same as in the optimizer; None means all.
    """

    optimizer: optax.GradientTransformation
    trainable: Choice | None = None


def build_updates(
    config: Mapping[str, Any],
    phases: Sequence[Phase],
    *,
    steps: int,
    freeze: Sequence[str] = (),
    train_only: Sequence[str] = (),
) -> tuple[tuple[Update, ...], Schedule]:
    """Builds each phase's update, all with the optimizer of `config.optimizer`; returns its schedule too, for the logs.

    Phases have different learning rates where `config.rates` sets them for their parameters.

    Args:
      config, steps: as in `build_optimizer`.
      phases: of the task.
      freeze, train_only: as in `choose_trainable`.

    Raises:
      ConfigError: a name or option is unknown, or a pattern matches nothing.
    """
    updates, schedule = [], None
    for phase in phases:
        trainable = choose_trainable(freeze=freeze, train_only=train_only, trains=phase.trains)
        optimizer, schedule = build_optimizer(config, steps=steps, trainable=trainable)
        updates.append(Update(optimizer, trainable))
    if schedule is None:
        raise ValueError("a task has at least one phase")
    return tuple(updates), schedule
