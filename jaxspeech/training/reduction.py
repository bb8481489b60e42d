"""Reduces the losses of a batch's rows to one loss, through sums that add up over the parts of a batch.

loss = sums.losses / sums.weight(reduction)
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.types import RowLosses

REDUCTIONS = ("mean_batch", "mean_volume", "mean", "sum")


class Sums(NamedTuple):
    """Sums over the rows of a batch: losses and counts.

    Attributes:
      losses: sum over the usable rows; for the reduction "mean", each loss is divided by its weight.
      rows: number of usable rows.
      weights: sum over the usable rows.
      examples: number of real rows.
      infeasible: number of real rows from which nothing can be learned.
      logged: sums over the usable rows, by name.
    """

    losses: Float[Array, ""]
    rows: Int[Array, ""]
    weights: Float[Array, ""]
    examples: Int[Array, ""]
    infeasible: Int[Array, ""]
    logged: Mapping[str, Float[Array, ""]]

    def weight(self, reduction: str) -> Float[Array, ""]:
        """The divisor of the sum of the losses; at least 1."""
        weight = {"mean_batch": self.rows, "mean_volume": self.weights, "mean": self.rows, "sum": 1}[reduction]
        return jnp.maximum(weight, 1).astype(jnp.float32)


def sum_losses(rows: RowLosses, index: Int[Any, " B"], *, reduction: str) -> Sums:
    """Sums the losses over a batch's usable rows.

    Filler rows (index < 0) are ignored. A row with an infinite loss is left out, with a zero gradient, and counted as
    infeasible. A batch without a usable row has the loss 0.
    """
    real = index >= 0
    infeasible = real & jnp.isposinf(rows.losses)
    usable = real & ~infeasible

    def total(values: Float[Array, " B"]) -> Float[Array, ""]:
        return jnp.sum(jnp.where(usable, values, 0.0))

    share = jnp.maximum(rows.weights, 1) if reduction == "mean" else 1
    return Sums(
        losses=total(rows.losses / share),
        rows=jnp.sum(usable),
        weights=total(rows.weights),
        examples=jnp.sum(real),
        infeasible=jnp.sum(infeasible),
        logged={name: total(values) for name, values in rows.logged.items()},
    )
