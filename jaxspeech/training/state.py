"""Everything that changes while a model trains, as one pytree."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Int

from jaxspeech.types import Variables


class TrainState(NamedTuple):
    """What a step takes and gives, and a checkpoint holds. Random keys and the place in the data follow from `step`.

    Attributes:
      step: batches seen.
      skipped: batches whose gradient was not finite, so that nothing changed; the schedule is at step - skipped.
      variables: {"params": float32 parameters, "batch_stats": running statistics, ...}.
      opt_state: the optimizer's state; of a task with several phases a tuple, one for each.
      average: exponential moving average of the parameters, or None where none is kept.
    """

    step: Int[Any, ""]
    skipped: Int[Any, ""]
    variables: Variables
    opt_state: Any
    average: Any


def init_state(
    variables: Variables, optimizers: Sequence[optax.GradientTransformation], *, average: bool = False
) -> TrainState:
    """The state before the first step, with an optimizer for each phase."""
    params = variables["params"]
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        skipped=jnp.zeros((), jnp.int32),
        variables=variables,
        opt_state=join_states([optimizer.init(params) for optimizer in optimizers]),
        average=jax.tree.map(jnp.copy, params) if average else None,
    )


def join_states(states: Sequence[Any]) -> Any:
    """`TrainState.opt_state` of the phases' states: that of a single phase stands for itself."""
    return states[0] if len(states) == 1 else tuple(states)


def split_states(opt_state: Any, num_phases: int) -> list[Any]:
    """The inverse of `join_states`."""
    return [opt_state] if num_phases == 1 else list(opt_state)


def averaged_variables(state: TrainState) -> Variables:
    """The variables to evaluate and to save: with the averaged parameters, where an average is kept."""
    if state.average is None:
        return state.variables
    return {**state.variables, "params": state.average}
