"""Loops over the steps of a sequence, one after the other."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax

# Steps in one turn of a loop on an accelerator.
UNROLLED = 8


def scan(step: Callable[[Any, Any], tuple[Any, Any]], first: Any, inputs: Any, *, reverse: bool = False) -> Any:
    """Computes `jax.lax.scan(step, first, inputs)`; on accelerators, `UNROLLED` steps in one turn of the loop.

    There each turn launches kernels that count it, read its inputs and write its outputs, and for a few small products
    those launches are the time. On a CPU, a longer body is only more to compile.

    Args:
      step: (state, the inputs at one place) -> (state after it, its outputs).
      first: the state before the first step.
      inputs: arrays whose first axis is that of the steps.
      reverse: begin with the last inputs.

    Returns:
      The state after all steps, and the outputs, stacked in the order of the inputs.
    """
    loop = partial(jax.lax.scan, step, reverse=reverse)
    return jax.lax.platform_dependent(
        first, inputs, cpu=partial(loop, unroll=1), default=partial(loop, unroll=UNROLLED)
    )
