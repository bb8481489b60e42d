"""Loops over the steps of a sequence, one after the other."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax

# Steps in one turn of a loop on an accelerator.
UNROLLED = 8


def scan(step: Callable[[Any, Any], tuple[Any, Any]], first: Any, inputs: Any, *, reverse: bool = False) -> Any:
    """Computes `jax.lax.scan(step, first, inputs)`; on accelerators, several steps in one turn of the loop.

    There each turn launches kernels that count it, read its inputs and write its outputs, and for a few small products
    those launches are the time. On a CPU, a longer body is only more to compile.
    """
    loop = partial(jax.lax.scan, step, reverse=reverse)
    return jax.lax.platform_dependent(
        first, inputs, cpu=partial(loop, unroll=1), default=partial(loop, unroll=UNROLLED)
    )
