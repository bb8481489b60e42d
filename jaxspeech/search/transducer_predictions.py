"""Runs a prediction network only for the hypotheses that got a new token, which are few in most iterations of a beam.

On a CPU the products of the network cost as much as all else in a search, and most hypotheses are extended by a blank.
So the rows with a new token are gathered, if they are at most a quarter. Accelerators run all rows at once: there the
small product is as fast as the large one, but a choice at run time is not free.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.search.transducer import Predict

# Rows that are gathered, of all: a beam of 4 emits about one token in each iteration.
_SHARE = 4


def predict_emitting(
    predict: Predict,
    emits: Bool[Array, " N"],
    symbols: Int[Array, " N"],
    predicted: Float[Array, "N J"],
    prediction: Any,
) -> tuple[Float[Array, "N J"], Any]:
    """Returns the predictions and states after `symbols` for the rows that emit, and the given ones for the others.

    Args:
      predict: as in `transducer_greedy`.
      emits: rows with a new token.
      symbols: the tokens; others of rows that do not emit may be any id.
      predicted, prediction: predictions and network states of all rows so far.
    """
    num_rows = emits.shape[0]
    before = predicted, prediction

    def of_all() -> Any:
        return jax.tree.map(
            lambda new, old: jnp.where(emits.reshape(-1, *[1] * (new.ndim - 1)), new, old),
            predict(symbols, prediction),
            before,
        )

    def of_some() -> Any:
        # The first places are those of ones; not `nonzero`, which is a chain of small programs.
        rows = jax.lax.top_k(emits.astype(jnp.int32), num_rows // _SHARE)[1]
        after = predict(symbols[rows], jax.tree.map(lambda x: x[rows], prediction))
        place = jnp.where(emits[rows], rows, num_rows)  # beyond all: not written
        return jax.tree.map(lambda old, new: old.at[place].set(new, mode="drop", unique_indices=True), before, after)

    def of_few() -> Any:
        return jax.lax.cond(emits.sum() <= num_rows // _SHARE, of_some, of_all)

    return jax.lax.platform_dependent(cpu=of_few, default=of_all) if num_rows >= _SHARE else of_all()
