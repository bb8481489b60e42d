"""Computes something for the rows of a search that need it, some at a time, where that is faster than for all rows.

On a CPU, an iteration costs as much as the rows that it computes, and most hypotheses of a beam need no new prediction
and no list of tokens. So those that do are gathered, a share of the rows at a time, until none is left. Accelerators
compute all rows at once: there the small product is as fast as the large one, but a choice at run time is not free.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

# Rows, which of them are needed, results so far -> results.
Compute = Callable[[Int[Array, " M"], Bool[Array, " M"], Any], Any]


def for_needed(
    needed: Bool[Array, " N"], results: Any, *, some: Compute, all_rows: Callable[[Any], Any], share: int
) -> Any:
    """Returns the results with those of all rows that need it.

    Args:
      needed: those rows.
      results: a tree of arrays, before.
      some: adds those of M rows. Any row may be among them, and some a second time, so that what it computes must not
        depend on the results of another row.
      all_rows: adds those of all rows.
      share: M = N / share, on a CPU.
    """
    num_rows = needed.shape[0]

    def in_parts() -> Any:
        size, row = num_rows // share, jnp.arange(num_rows)

        def more(part: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
            count, first, results = part
            # Ones in their order, then others. In float32, or it is a sort; `nonzero` is a chain of small programs.
            rows = jax.lax.top_k((needed & (row >= first)).astype(jnp.float32), size)[1]
            return count - size, rows.max() + 1, some(rows, needed[rows] & (rows >= first), results)

        part = needed.sum(), jnp.int32(0), results
        return jax.lax.while_loop(lambda part: part[0] > 0, more, part)[2]

    if num_rows < share:
        return all_rows(results)
    return jax.lax.platform_dependent(cpu=in_parts, default=lambda: all_rows(results))


def put_rows(needed: Bool[Array, " M"], places: Int[Array, " M"], results: Any, new: Any) -> Any:
    """Returns the results with new ones in the places of the rows that are needed."""

    def put(old: Array, new: Array) -> Array:
        place = jnp.where(needed, places, old.shape[0])  # beyond all: not written
        return old.at[place].set(new, mode="drop", unique_indices=True)

    return jax.tree.map(put, results, new)
