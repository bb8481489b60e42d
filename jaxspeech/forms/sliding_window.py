"""The latest samples of each stream, from which a step cuts the window that a model encodes."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class Window(NamedTuple):
    """What a step encodes, and what it keeps.

    Attributes:
      samples: of the window, S; it ends with the latest sample.
      length: real samples of each.
      latest: the last S samples, for the next step.
    """

    samples: Float[Array, "B S"]
    length: Int[Array, " B"]
    latest: Float[Array, "B S"]


def slide(
    past: Float[Array, "B S"], samples: Float[Array, "B N"], num_samples: Int[Array, " B"], heard: Int[Array, " B"]
) -> Window:
    """Appends the new samples of each row to its past ones.

    Args:
      past: the last S samples.
      samples, num_samples: the new ones.
      heard: of each row: how many of its last samples may be in the window, the new ones included.
    """
    size = past.shape[1]
    length = jnp.minimum(heard, size)
    # A row's latest samples end at S + num_samples; its window begins `length` samples before.
    row = jnp.concatenate([past, samples, jnp.zeros_like(past)], axis=1)
    latest, window = (_slices(row, first, size) for first in (num_samples, num_samples + size - length))
    return Window(window, length, latest)


def _slices(rows: Float[Array, "B N"], first: Int[Array, " B"], size: int) -> Float[Array, "B S"]:
    """Cuts `size` values out of each row, from its own first one on."""
    return jax.vmap(lambda row, at: jax.lax.dynamic_slice_in_dim(row, at, size))(rows, first)
