"""Runs a function that treats each bin of each row by itself, in the way that is quick on each backend."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from jaxtyping import Array

from jaxspeech.row_parallel import over_rows

# Elements of arrays that are computed at a time: 512 MiB in single precision.
MOST_ELEMENTS = 1 << 27


def over_bins(function: Callable[..., Any], *arrays: Array, elements: Any) -> Any:
    """Runs function(*arrays) of one bin, for all bins of all rows: [B F ...] -> [B F ...].

    A CPU computes one bin after the other, whose arrays stay in its cache; other devices compute many at a time.

    Args:
      function: of arrays [...], to arrays.
      arrays: each [B F ...].
      elements: how many elements of arrays the function computes for one bin, about; it bounds how many are computed
        at a time.
    """
    together = max(1, MOST_ELEMENTS // elements) if isinstance(elements, int) else None

    def rows(arrays: Any) -> Any:
        flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), arrays)
        out = jax.lax.platform_dependent(
            flat,
            cpu=partial(_one_by_one, function),
            default=partial(_some_at_a_time, function, together),
        )
        return jax.tree.map(lambda x: x.reshape(*arrays[0].shape[:2], *x.shape[1:]), out)

    return over_rows(rows, arrays)


def _one_by_one(function: Callable[..., Any], flat: Any) -> Any:
    return jax.lax.map(lambda one: function(*one), flat)


def _some_at_a_time(function: Callable[..., Any], together: int | None, flat: Any) -> Any:
    """All at a time if their number is a symbol."""
    number = flat[0].shape[0]
    if together is None or not isinstance(number, int) or number <= together:
        return jax.vmap(function)(*flat)
    return jax.lax.map(lambda one: function(*one), flat, batch_size=together)
