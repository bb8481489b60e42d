"""The mean of a loss over the channels, or sources, of each row."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxspeech.errors import ConfigError


def check_weights(weight: Sequence[float] | None) -> None:
    """Checks the weights of a loss's channels.

    Raises:
      ConfigError: they are not positive, or do not sum to 1.
    """
    if weight is not None and not (min(weight, default=0) > 0 and abs(sum(weight) - 1) < 1e-6):
        raise ConfigError(f"weight is {list(weight)}: the weights of the channels must be positive and sum to 1")


def channel_mean(
    values: Float[Any, "B M"], weight: Sequence[float] | None, counts: Bool[Any, "B M"] | None = None
) -> Float[Array, " B"]:
    """Averages the channels that count; 0 where none does.

    Args:
      values: of each channel.
      weight: of each channel; None weights all the same.
      counts: which channels count; None: all.

    Raises:
      ConfigError: there are more or fewer weights than channels.
    """
    values = jnp.asarray(values)
    channels = values.shape[1]
    if weight is not None and len(weight) != channels:
        raise ConfigError(f"weight has {len(weight)} numbers, but there are {channels} channels")
    weights = jnp.full(channels, 1 / channels) if weight is None else jnp.asarray(weight, jnp.float32)
    if counts is None:
        return (values * weights).sum(1)
    weights = jnp.where(counts, weights, 0)
    total = weights.sum(1)
    return (weights * jnp.where(counts, values, 0)).sum(1) / jnp.where(total > 0, total, 1)
