"""Losses of the activity of S speakers, whose order in the targets means nothing: sorted by arrival, and order-free.

    p       = the order with the greatest sum over t, s of targets[t, p[s]] sigmoid(logits[t, s])
    free    = mean over t, s of BCE(logits[t, s], targets[t, p[s]])
    arrival = the same; p is one of the orders in which the speakers' first active frames ascend
    loss    = (ats_weight arrival + pil_weight free) / (ats_weight + pil_weight)

(T. Park et al., Sortformer, 2024; NeMo 3.0.0, losses/bce_loss.py.) Speakers who begin in the same frame, and those who
never speak and come last, may have any order among them. Up to six speakers all S! orders are tried; of more, the best
one is found by assignment. Gradients do not pass through the choice.
"""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.losses.assignment import assign
from jaxspeech.masks import length_mask
from jaxspeech.types import RowLosses

# 720 orders; of seven speakers there would be 5,040.
MOST_TRIED = 6
# How frames are weighted; the names are those of NeMo's `class_normalization`.
WEIGHTINGS = ("none", "class", "binary", "class_binary")
# Least weight of a speaker, relative to the sum of all, with the weighting "class".
LEAST_WEIGHT = 0.05
ACTIVE = 0.5


def check_activity_options(ats_weight: int | float, pil_weight: int | float, class_normalization: str) -> None:
    """Checks the options of `activity_losses`.

    Raises:
      ConfigError: a weight is negative or both are 0, or there is no such weighting.
    """
    if min(ats_weight, pil_weight) < 0 or not ats_weight + pil_weight > 0:
        raise ConfigError(
            f"ats_weight is {ats_weight}, pil_weight {pil_weight}: neither may be negative, and one must be above 0"
        )
    if class_normalization not in WEIGHTINGS:
        raise ConfigError(
            f"class_normalization is {class_normalization!r}{did_you_mean(str(class_normalization), WEIGHTINGS)}"
        )


def activity_losses(
    logits: Float[Any, "B T S"],
    targets: Float[Any, "B T_known S"],
    num_frames: Int[Any, " B"],
    *,
    ats_weight: int | float = 0.5,
    pil_weight: int | float = 0.5,
    class_normalization: str = "none",
) -> RowLosses:
    """Computes the loss of each row, summed over its frames, so that "mean_volume" is the mean over all real frames.

    Args:
      logits: whose sigmoid is the probability that a speaker is active.
      targets: the activity, from 0 to 1; from 0.5 on a speaker counts as active. There may be more or fewer frames than
        logits.
      num_frames: real frames of each row; a row without frames has an infinite loss.
      ats_weight, pil_weight: of the two losses; only their ratio matters.
      class_normalization: "class" weights each speaker inversely to his activity, "binary" weights active frames by the
        share of inactive ones and conversely, "class_binary" does both, each over the frames of the whole batch. NeMo
        then sums over frames and speakers, which grows with the batch, instead of taking the mean.

    Returns:
      Losses, weights (the number of frames), and for each row its mean losses and the F1 of its frames.
    """
    check_activity_options(ats_weight, pil_weight, class_normalization)
    length = min(logits.shape[1], targets.shape[1])
    num_frames = jnp.minimum(jnp.asarray(num_frames), length)
    real = length_mask(num_frames, length)[..., None]
    logits = jnp.where(real, jnp.asarray(logits, jnp.float32)[:, :length], 0)
    targets = jnp.where(real, jnp.asarray(targets, jnp.float32)[:, :length], 0)
    probs = jnp.where(real, jax.lax.stop_gradient(jax.nn.sigmoid(logits)), 0)
    scores = jnp.einsum("btc,btd->bcd", targets, probs, precision=jax.lax.Precision.HIGHEST)
    sorted_targets = reordered(targets, best_order(scores, arrival_allows(targets)))
    free_targets = reordered(targets, best_order(scores))

    def total(labels: Float[Array, "B T S"]) -> Float[Array, " B"]:
        each = -(labels * jax.nn.log_sigmoid(logits) + (1 - labels) * jax.nn.log_sigmoid(-logits))
        return jnp.where(real, each * _weights(labels, real, class_normalization), 0).sum(1).mean(-1)

    arrival, free = total(sorted_targets), total(free_targets)
    losses = (ats_weight * arrival + pil_weight * free) / (ats_weight + pil_weight)
    weights = num_frames.astype(jnp.float32)
    frames = jnp.maximum(weights, 1)
    logged = {"ats_loss": arrival / frames, "pil_loss": free / frames, "f1": _f1(free_targets, probs)}
    return RowLosses(jnp.where(num_frames > 0, losses, jnp.inf), weights, jax.lax.stop_gradient(logged))


def arrival_allows(targets: Float[Any, "B T S"]) -> Bool[Array, "B S S"]:
    """Whether each speaker (the first S) may take each place in an order by the first active frames."""
    active = jnp.asarray(targets) >= ACTIVE
    first = jnp.where(active.any(1), active.argmax(1), targets.shape[1])
    return first[:, :, None] == jnp.sort(first, axis=1)[:, None, :]


def best_order(scores: Float[Any, "B S S"], allowed: Bool[Any, "B S S"] | None = None) -> Int[Array, "B S"]:
    """Finds the speaker for each place so that the sum of their scores is greatest; of equal orders, any.

    Args:
      scores: of each speaker (the first S) in each place.
      allowed: which places each speaker may have; at least one order must be possible.
    """
    scores = jnp.asarray(scores)
    size = scores.shape[-1]
    if size <= MOST_TRIED:
        orders = np.array(list(itertools.permutations(range(size))))
        places = np.arange(size)
        totals = scores[:, orders, places].sum(-1)
        if allowed is not None:
            totals = jnp.where(allowed[:, orders, places].all(-1), totals, -jnp.inf)
        return jnp.asarray(orders)[totals.argmax(1)]
    cost = -scores
    if allowed is not None:
        # More than all other costs together.
        forbidden = 1 + size * jnp.abs(scores).max((1, 2), keepdims=True)
        cost = jnp.where(allowed, cost, forbidden)
    return assign(cost.swapaxes(1, 2))


def reordered(targets: Float[Any, "B T S"], order: Int[Any, "B S"]) -> Float[Array, "B T S"]:
    """Puts the speakers of each row into an order."""
    return jnp.take_along_axis(jnp.asarray(targets), order[:, None, :], axis=2)


def _weights(labels: Float[Array, "B T S"], real: Bool[Array, "B T 1"], normalization: str) -> Float[Array, "..."]:
    """The weight of each frame of each speaker, from the activity in all real frames; padding is 0 in `labels`."""
    weights = jnp.ones((1, 1, 1), jnp.float32)
    if normalization in ("class", "class_binary"):
        shares = 1 / (labels.sum((0, 1)) + 1e-6)
        shares = jnp.clip(shares / shares.sum(), LEAST_WEIGHT, 1)
        weights = shares / shares.max()
    if normalization in ("binary", "class_binary"):
        active = labels.sum() / jnp.maximum(real.sum() * labels.shape[-1], 1)
        weights = weights * jnp.where(labels == 0, active, jnp.where(labels == 1, 1 - active, 1))
    return weights


def _f1(targets: Float[Array, "B T S"], probs: Float[Array, "B T S"]) -> Float[Array, " B"]:
    """The F1 of active frames in each row; 1 where nobody speaks and nobody was found."""
    truth, found = targets >= ACTIVE, probs > ACTIVE
    both, either = (truth & found).sum((1, 2)), truth.sum((1, 2)) + found.sum((1, 2))
    return jnp.where(either > 0, 2 * both / jnp.maximum(either, 1), 1.0).astype(jnp.float32)
