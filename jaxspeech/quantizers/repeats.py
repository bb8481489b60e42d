"""Merges equal ids that follow one another, as CTC merges its outputs: 3 3 5 5 3 -> 3 5 3."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Int

from jaxspeech.masks import length_mask


def merge_repeats(ids: Int[Any, "B T"], num_ids: Int[Any, " B"]) -> tuple[Int[Array, "B T"], Int[Array, " B"]]:
    """Keeps the first of equal neighbours; 0 beyond the last of a row.

    Returns:
      (ids, how many each row has).
    """
    ids, real = jnp.asarray(ids), length_mask(jnp.asarray(num_ids), ids.shape[1])
    before = jnp.pad(ids, ((0, 0), (1, 0)), constant_values=-1)[:, :-1]
    first = real & (ids != before)
    order = jnp.argsort(~first, axis=1, stable=True)
    count = first.sum(1)
    return jnp.where(length_mask(count, ids.shape[1]), jnp.take_along_axis(ids, order, 1), 0), count
