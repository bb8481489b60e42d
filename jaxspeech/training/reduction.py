"""From the losses of a batch's rows to its loss, by sums that add up over the parts of a batch.

loss = sums.losses / sums.weight(reduction)
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.types import Batch

REDUCTIONS = ("mean_batch", "mean_volume", "mean", "sum")


class Sums(NamedTuple):
    """What adds up over the rows of a batch: the losses, and what was counted.

    Attributes:
      losses: of the usable rows, each divided by its number of labels for the reduction "mean".
      rows, labels: usable rows, and labels in them.
      examples: real rows.
      infeasible: real rows without an alignment (more labels than frames).
    """

    losses: Float[Array, ""]
    rows: Int[Array, ""]
    labels: Int[Array, ""]
    examples: Int[Array, ""]
    infeasible: Int[Array, ""]

    def weight(self, reduction: str) -> Float[Array, ""]:
        """What the sum of the losses is divided by; at least 1."""
        weight = {"mean_batch": self.rows, "mean_volume": self.labels, "mean": self.rows, "sum": 1}[reduction]
        return jnp.maximum(weight, 1).astype(jnp.float32)


def sum_losses(losses: Float[Array, " B"], batch: Batch, *, reduction: str) -> Sums:
    """The sums over a batch's usable rows.

    Filler rows (index < 0) count nowhere. A row with an infinite loss has no alignment (more labels than frames): it
    is left out, with a zero gradient, and counted as infeasible. A batch without a usable row has the loss 0.
    """
    real = batch.index >= 0
    infeasible = real & jnp.isposinf(losses)
    usable = real & ~infeasible
    share = jnp.maximum(batch.num_labels, 1) if reduction == "mean" else 1
    return Sums(
        losses=jnp.sum(jnp.where(usable, losses / share, 0.0)),
        rows=jnp.sum(usable),
        labels=jnp.sum(jnp.where(usable, batch.num_labels, 0)),
        examples=jnp.sum(real),
        infeasible=jnp.sum(infeasible),
    )
