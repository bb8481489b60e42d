"""The training state: everything that changes while a model trains, as one pytree."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Int

from jaxspeech.types import Variables


class TrainState(NamedTuple):
    """The input and output of a step, and the content of a checkpoint. `step` determines random keys and data position.

    Attributes:
      step: number of batches seen.
      skipped: number of batches skipped for a non-finite gradient; the schedule is at step - skipped.
      variables: {"params": float32 parameters, "batch_stats": running statistics, ...}.
      opt_state: the optimizer's state; for a task with several phases, a tuple of one for each.
      average: exponential moving average of the parameters, or None if none is kept.
    """

    step: Int[Any, ""]
    skipped: Int[Any, ""]
    variables: Variables
    opt_state: Any
    average: Any


def init_state(
    variables: Variables, optimizers: Sequence[optax.GradientTransformation], *, average: bool = False
) -> TrainState:
    """Makes the state before the first step, with an optimizer for each phase."""
    params = variables["params"]
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        skipped=jnp.zeros((), jnp.int32),
        variables=variables,
        opt_state=join_states([optimizer.init(params) for optimizer in optimizers]),
        average=jax.tree.map(jnp.copy, params) if average else None,
    )


def join_states(states: Sequence[Any]) -> Any:
    """Joins the phases' optimizer states to `TrainState.opt_state`; the state of a single phase is not wrapped."""
    return states[0] if len(states) == 1 else tuple(states)


def split_states(opt_state: Any, num_phases: int) -> list[Any]:
    """Inverts `join_states`."""
    return [opt_state] if num_phases == 1 else list(opt_state)


def averaged_variables(state: TrainState) -> Variables:
    """The variables to evaluate and to save: with the averaged parameters if an average is kept."""
    if state.average is None:
        return state.variables
    return {**state.variables, "params": state.average}
