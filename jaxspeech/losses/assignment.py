"""The assignment of rows to columns with the least cost, as a program of fixed shapes: the Hungarian algorithm, O(N^3).

Rows are added one by one. Each finds the cheapest alternating path to a free column, by the reduced costs

    r[i, j] = cost[i, j] - u[i] - v[j] >= 0

and the potentials u, v change so that the path costs nothing (R. Jonker, A. Volgenant, 1987).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class _Search(NamedTuple):
    """The search of one row for a free column; number 0 stands for no row, and column 0 holds the new row."""

    column: Int[Array, ""]
    seen: Any
    least: Float[Array, " N+1"]
    came_from: Int[Array, " N+1"]
    u: Float[Array, " N+1"]
    v: Float[Array, " N+1"]


def assign(cost: Float[Any, "*B N N"]) -> Int[Array, "*B N"]:
    """Finds the column of each row, all different, with the least sum of costs.

    Args:
      cost: of each row in each column; what is not finite counts as very large, or very small.
    """
    cost = jax.lax.stop_gradient(jnp.nan_to_num(jnp.asarray(cost, jnp.float32), nan=1e30, posinf=1e30, neginf=-1e30))
    flat = cost.reshape(-1, *cost.shape[-2:])
    return jax.vmap(_assign_one)(flat).reshape(cost.shape[:-1])


def _assign_one(cost: Float[Array, "N N"]) -> Int[Array, " N"]:
    size = cost.shape[0]
    padded = jnp.pad(cost, ((1, 0), (1, 0)))
    columns = jnp.arange(size + 1)

    def add_row(row: Any, state: Any) -> Any:
        row_of, u, v = state
        row_of = row_of.at[0].set(row)
        start = _Search(jnp.int32(0), columns < 0, jnp.full(size + 1, jnp.inf), jnp.zeros_like(row_of), u, v)

        def step(search: _Search) -> _Search:
            row, seen = row_of[search.column], search.seen.at[search.column].set(True)
            reduced = padded[row] - search.u[row] - search.v
            better = (reduced < search.least) & ~seen
            least = jnp.where(better, reduced, search.least)
            came_from = jnp.where(better, search.column, search.came_from)
            nearest = jnp.argmin(jnp.where(seen, jnp.inf, least)).astype(jnp.int32)
            change = least[nearest]
            u = search.u.at[row_of].add(jnp.where(seen, change, 0))
            v = search.v - jnp.where(seen, change, 0)
            return _Search(nearest, seen, jnp.where(seen, least, least - change), came_from, u, v)

        found = jax.lax.while_loop(lambda search: row_of[search.column] != 0, step, start)

        def shift(state: Any) -> Any:
            column, row_of = state
            previous = found.came_from[column]
            return previous, row_of.at[column].set(row_of[previous])

        _, row_of = jax.lax.while_loop(lambda state: state[0] != 0, shift, (found.column, row_of))
        return row_of, found.u, found.v

    zeros = jnp.zeros(size + 1, jnp.float32)
    row_of, _, _ = jax.lax.fori_loop(1, size + 1, add_row, (jnp.zeros(size + 1, jnp.int32), zeros, zeros))
    return jnp.zeros(size, jnp.int32).at[row_of[1:] - 1].set(columns[1:] - 1)
