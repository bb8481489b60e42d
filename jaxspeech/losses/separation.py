"""Puts the targets of separated sources, whose order means nothing, into the order of the estimates.

    order = argmin over permutations p of  sum over m of loss(estimate[m], target[p[m]])

(Permutation-invariant training; Yu et al., 2017.) Up to six sources all orders are tried; of more, the best one is
found by assignment. Gradients do not pass through the choice.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num

from jaxspeech.losses.permutation import best_order

# (estimates [B M ...], targets [B M ...], lengths [B]) -> the loss of each [B M], finite.
Measure = Callable[[Any, Any, Any], Any]


def match_targets(
    measure: Measure,
    estimates: Num[Any, "B M T *F"],
    targets: Num[Any, "B M T *F"],
    lengths: Int[Any, " B"],
) -> tuple[Num[Array, "B M T *F"], Int[Array, "B M"]]:
    """Finds the target of each estimate, so that the sum of their losses is least.

    Args:
      measure: the loss of each pair of signals; lower is better.
      estimates, targets: as many of both; samples or spectra.
      lengths: real samples or frames of each row.

    Returns:
      The targets in the order of the estimates, and the number of each estimate's target.
    """
    targets = jnp.asarray(targets)
    losses = pairwise(measure, estimates, targets, lengths)
    order = best_order(-losses.swapaxes(1, 2))
    return jnp.take_along_axis(targets, order.reshape(*order.shape, *[1] * (targets.ndim - 2)), axis=1), order


def pairwise(
    measure: Measure, estimates: Num[Any, "B M T *F"], targets: Num[Any, "B K T *F"], lengths: Int[Any, " B"]
) -> Float[Array, "B M K"]:
    """Computes the loss of each estimate (the first M) against each target; without gradients."""
    estimates, targets = jax.lax.stop_gradient((jnp.asarray(estimates), jnp.asarray(targets)))
    found, known = estimates.shape[1], targets.shape[1]
    losses = measure(jnp.repeat(estimates, known, axis=1), jnp.concatenate([targets] * found, axis=1), lengths)
    return losses.reshape(-1, found, known)
