"""A batch in n micro-batches, one after the other, for the gradient of the whole.

grads, sums = sum over i of gradient(micro-batch i)        micro-batch i has the rows i, i + n, i + 2n, ...

Losses, gradients and what they are divided by are sums over rows, so every reduction gives what the whole batch gives,
to rounding. What looks at several rows at a time sees a micro-batch: batch normalisation takes its statistics from each
(the running ones move n times a step), and each draws its own dropout, masks and noise.
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
    """[B ...] as [count, B / count ...], row r in micro-batch r % count: on every device as many rows of each."""
    return jax.tree.map(lambda x: x.reshape(-1, count, *x.shape[1:]).swapaxes(0, 1), batch)


def add_up(gradient: Gradient, stats: Variables, batches: Rows, key: Any) -> tuple[Any, Sums, Variables]:
    """The sums of `gradient` over micro-batches [n, B / n ...]; each takes the statistics that the one before left."""
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
