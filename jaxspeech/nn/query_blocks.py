"""Splits the queries of attention into blocks: the scores of one block exist at a time, not those of all pairs.

Time and results are those of all queries at once; the memory grows with the length of a recording, not its square.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.types import Size

# The most scores of a block in a CPU's cache, and in the memory of an accelerator.
MOST_SCORES, MOST_SCORES_ELSEWHERE = 1 << 20, 1 << 29
# Queries of a block are a multiple of the first; every block copies the positions it needs, so that it has at least the
# second, also where its scores do not fit the cache.
ALIGNMENT, LEAST_QUERIES = 16, 64


def block_size(rows: Size, heads: int, queries: Size, keys: Size, *, most_scores: int | None = None) -> Size:
    """Returns how many queries a block has (on a CPU); all, if their scores are few or their sizes are symbolic."""
    most_scores = most_scores or MOST_SCORES
    known = all(isinstance(size, int) for size in (rows, queries, keys))
    if not known or rows * heads * queries * keys <= 2 * most_scores:
        return queries
    fitting = most_scores // (rows * heads * keys)
    blocks = -(-queries // max(fitting // ALIGNMENT * ALIGNMENT, LEAST_QUERIES))
    size = -(-queries // blocks)
    return size + -size % ALIGNMENT


def in_query_blocks(
    attend: Callable[[Any, Any], Float[Array, "B Q ..."]], queries: Float[Array, "B T ..."], *, block: int
) -> Float[Array, "B T ..."]:
    """Computes `attend(queries of a block, index of the first)` for all blocks, one after the other.

    The last block is filled up with zeros.
    """
    b, t, *rest = queries.shape
    blocks = -(-t // block)
    queries = jnp.pad(queries, ((0, 0), (0, blocks * block - t), *((0, 0) for _ in rest)))
    split = jnp.moveaxis(queries.reshape(b, blocks, block, *rest), 1, 0)
    found = jax.lax.map(lambda each: attend(*each), (split, block * jnp.arange(blocks)))
    return jnp.moveaxis(found, 0, 1).reshape(b, blocks * block, *found.shape[3:])[:, :t]


def in_blocks_of_platform(attend: Callable[..., Array], *arrays: Any, scores: tuple[Size, int, Size, Size]) -> Array:
    """Computes `attend(*arrays, most_scores=...)` with blocks that suit the device.

    Args:
      attend: attention by blocks of any size.
      arrays: its arguments.
      scores: numbers of rows, heads, queries and keys.
    """
    sizes = [block_size(*scores, most_scores=most) for most in (MOST_SCORES, MOST_SCORES_ELSEWHERE)]
    elsewhere = partial(attend, most_scores=MOST_SCORES_ELSEWHERE)
    if sizes[0] == sizes[1]:
        return elsewhere(*arrays)
    on_cpu = partial(attend, most_scores=MOST_SCORES)
    return jax.lax.platform_dependent(*arrays, cpu=on_cpu, default=elsewhere)
