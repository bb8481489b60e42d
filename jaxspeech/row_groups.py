"""Computes a batch on a CPU a few rows at a time, so that activations stay in the processor's cache."""

from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import Array, Float

# The most frames, and the fewest rows, of a group: a single row leaves some operations to one thread.
MOST_FRAMES = 2048
FEWEST_ROWS = 2


def in_row_groups(
    function: Callable[..., Float[Array, "B ..."]], variables: Any, *rows: Any, frames: int
) -> Float[Array, "B ..."]:
    """Computes `function(variables, *rows)`, whose rows do not depend on one another; a CPU takes them in equal groups.

    Every group reads all weights. So a group has about as many frames as a large layer has outputs.

    Args:
      function: (variables, *rows) -> an array with B leading.
      variables: a pytree, the same for all rows.
      rows: arrays with B leading.
      frames: of each row in the largest layers.
    """
    b = rows[0].shape[0]
    # Sizes of an export may be symbolic, and rows that are split over devices stay where they are.
    known = isinstance(b, int) and isinstance(frames, int) and jax.sharding.get_abstract_mesh().empty
    size = group_size(b, frames) if known else b
    if size == b:
        return function(variables, *rows)

    def grouped(variables: Any, *rows: Any) -> Float[Array, "B ..."]:
        groups = [x.reshape(b // size, size, *x.shape[1:]) for x in rows]
        found = jax.lax.map(lambda group: function(variables, *group), tuple(groups))
        return found.reshape(b, *found.shape[2:])

    return jax.lax.platform_dependent(variables, *rows, cpu=grouped, default=function)


def group_size(num_rows: int, frames: int) -> int:
    """Rows of a group: as many as fit, if they divide the rows into groups of two or more; otherwise all."""
    fitting = [size for size in range(FEWEST_ROWS, num_rows) if num_rows % size == 0 and size * frames <= MOST_FRAMES]
    return fitting[-1] if fitting and fitting[-1] * frames > MOST_FRAMES // 3 else num_rows
