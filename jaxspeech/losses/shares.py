"""Divides the sums of rows by what they count: by each row's own count, or so that all entries of a batch count alike.

m[b] = s[b] / c[b]              per row
m[b] = s[b] R / sum_used c      per batch: the mean over the R used rows is  sum_used s / sum_used c

Losses of synthesis have terms with different counts (frames times bands, symbols), each of which NeMo averages over the
whole batch. With these shares, the mean over rows that a training step takes ("mean_batch") is NeMo's number.
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def share(
    totals: Float[Array, " B"], counts: Int[Array, " B"] | Float[Array, " B"], *, batch: Bool[Any, " B"] | None
) -> Float[Array, " B"]:
    """Returns what each row contributes.

    Args:
      totals: sum over the entries of each row.
      counts: number of the entries.
      batch: None: the mean of each row's own entries, 0 without any. Else the rows that are used (neither filler nor
        infeasible), over which a mean is taken later.
    """
    counts = counts.astype(jnp.float32)
    if batch is None:
        return totals / jnp.maximum(counts, 1)
    used = jnp.asarray(batch)
    return totals * used.sum() / jnp.maximum(jnp.where(used, counts, 0).sum(), 1)
