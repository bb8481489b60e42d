"""Gradient accumulation: runs a batch as n micro-batches, one after another, and sums their gradients.

grads, sums = sum over i of gradient(micro-batch i)        micro-batch i has the rows i, i + n, i + 2n, ...

Losses, gradients and their divisors are sums over rows, so every reduction gives the same result as on the whole batch,
up to rounding. Whatever uses several rows at once sees only one micro-batch: batch normalisation computes statistics
per micro-batch (and updates the running ones n times a step), and each draws its own dropout, masks and noise.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxspeech.training.reduction import Sums
from jaxspeech.types import Rows, Variables

# (running statistics, batch, key) -> (summed gradient, sums, new statistics)
Gradient = Callable[[Variables, Any, Any], tuple[Any, Sums, Variables]]


def micro_batches(batch: Any, count: int) -> Any:
    """Reshapes [B ...] to [count, B / count ...]; row r goes to micro-batch r % count, so each uses all devices."""
    return jax.tree.map(lambda x: x.reshape(-1, count, *x.shape[1:]).swapaxes(0, 1), batch)


def add_up(gradient: Gradient, stats: Variables, batches: Rows, key: Any) -> tuple[Any, Sums, Variables]:
    """Sums `gradient` over micro-batches [n, B / n ...]; each gets the running statistics that the last one left."""
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(len(batches.index)))
    first = jax.tree.map(lambda x: x[0], batches)
    grads, sums, _ = jax.eval_shape(gradient, stats, first, keys[0])
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), (grads, sums))

    def step(carry: Any, micro: tuple[Any, Any]) -> tuple[Any, None]:
        stats, so_far = carry
        grads, sums, stats = gradient(stats, *micro)
        return (stats, jax.tree.map(jnp.add, so_far, (grads, sums))), None

    (stats, (grads, sums)), _ = jax.lax.scan(step, (stats, zeros), (batches, keys))
    return grads, sums, stats
