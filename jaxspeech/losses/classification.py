"""Computes the cross-entropy of classes, with weights of the classes and smoothed labels.

    loss = -(1 - s) w[y] log p[y] - s / C sum_c w[c] log p[c]

where p = softmax(logits), s is the smoothing and w the weights, as in PyTorch's CrossEntropyLoss.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def cross_entropy(
    logits: Float[Any, "*B C"],
    labels: Int[Any, "*B"],
    *,
    weights: Sequence[int | float] = (),
    label_smoothing: int | float = 0.0,
) -> Float[Array, "*B"]:
    """Computes the loss of each label, in float32.

    Args:
      logits: unnormalised scores of the classes.
      labels: numbers of the true classes; the loss of one that is not a class, as in padding, is finite and means
        nothing.
      weights: how much each class counts; () for all the same.
      label_smoothing: the share of the target that is spread evenly over all classes, below 1.
    """
    log_probs = jax.nn.log_softmax(jnp.asarray(logits, jnp.float32))
    num_classes = log_probs.shape[-1]
    labels = jnp.clip(jnp.asarray(labels), 0, num_classes - 1)
    if len(weights):
        log_probs = log_probs * jnp.asarray(weights, jnp.float32)
    losses = -jnp.take_along_axis(log_probs, labels[..., None], -1)[..., 0]
    if not label_smoothing:
        return losses
    return (1 - label_smoothing) * losses - label_smoothing * log_probs.mean(-1)


def label_weights(labels: Int[Any, "*B"], *, weights: Sequence[int | float] = ()) -> Float[Array, "*B"]:
    """Looks up the weight of each label's class, by whose sum PyTorch's mean divides; 1 without weights."""
    labels = jnp.asarray(labels)
    if not len(weights):
        return jnp.ones(labels.shape, jnp.float32)
    table = jnp.asarray(weights, jnp.float32)
    return table[jnp.clip(labels, 0, len(weights) - 1)]
