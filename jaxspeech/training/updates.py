"""How the parameters of each phase of a task are updated: an optimizer, and which parameters it moves."""

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
      trainable: which parameters the phase trains, as the optimizer was told; None is all.
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
    """An update for each phase, all with the optimizer that `config.optimizer` names, and its schedule (for the logs).

    Phases differ in their rate where `config.rates` says so for their parameters.

    Args:
      config, steps: as `build_optimizer` takes them.
      phases: of the task.
      freeze, train_only: patterns of parameters that are not trained, or alone are.

    Raises:
      ConfigError: an unknown name or option, or a pattern that matches nothing.
    """
    updates, schedule = [], None
    for phase in phases:
        trainable = choose_trainable(freeze=freeze, train_only=train_only, trains=phase.trains)
        optimizer, schedule = build_optimizer(config, steps=steps, trainable=trainable)
        updates.append(Update(optimizer, trainable))
    if schedule is None:
        raise ValueError("a task has at least one phase")
    return tuple(updates), schedule
