"""Joins and cuts sequences whose lengths are only known when a program runs, in arrays of fixed shapes.

Everything is about one row; `jax.vmap` makes it rows of different lengths.
"""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Int, Shaped


def pack(parts: Sequence[Shaped[Array, "_ *D"]], lengths: Sequence[Int[Array, ""]]) -> Shaped[Array, "T *D"]:
    """Joins the first `lengths[i]` values of each part; what follows them is zero.

    Args:
      parts: whose padding may hold anything.
      lengths: how much of each is real.

    Returns:
      as many values as all parts have room for.
    """
    whole = jnp.concatenate(list(parts))
    place = jnp.arange(len(whole))
    source, end, room = place, jnp.zeros((), jnp.int32), 0
    for part, length in zip(parts, lengths, strict=True):
        source = jnp.where(place >= end, place - end + room, source)
        end, room = end + length, room + len(part)
    return _zeroed(jnp.take(whole, jnp.minimum(source, len(whole) - 1), axis=0), end)


def cut(
    values: Shaped[Array, "T *D"], start: Int[Array, ""] | int, length: Int[Array, ""], *, size: int
) -> Shaped[Array, "N *D"]:
    """Cuts `length` values out, from `start` on, into an array of `size`; what follows them is zero."""
    if size == 0:
        return values[:0]
    place = jnp.clip(start + jnp.arange(size), 0, len(values) - 1)
    return _zeroed(jnp.take(values, place, axis=0), length)


def _zeroed(values: Shaped[Array, "T *D"], length: Int[Array, ""]) -> Shaped[Array, "T *D"]:
    real = (jnp.arange(len(values)) < length).reshape(-1, *[1] * (values.ndim - 1))
    return jnp.where(real, values, jnp.zeros((), values.dtype))
