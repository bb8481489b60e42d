"""Everything that changes while a model trains, as one pytree."""

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
      opt_state: the optimizer's state.
      average: exponential moving average of the parameters, or None where none is kept.
    """

    step: Int[Any, ""]
    skipped: Int[Any, ""]
    variables: Variables
    opt_state: Any
    average: Any


def init_state(variables: Variables, optimizer: optax.GradientTransformation, *, average: bool = False) -> TrainState:
    """The state before the first step."""
    params = variables["params"]
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        skipped=jnp.zeros((), jnp.int32),
        variables=variables,
        opt_state=optimizer.init(params),
        average=jax.tree.map(jnp.copy, params) if average else None,
    )


def averaged_variables(state: TrainState) -> Variables:
    """The variables to evaluate and to save: with the averaged parameters, where an average is kept."""
    if state.average is None:
        return state.variables
    return {**state.variables, "params": state.average}
