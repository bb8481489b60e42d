"""Losses of a model that speaks: squared errors of durations, pitch, energy and mel frames.

duration = mean over symbols of (l - log(1 + d))^2
pitch    = mean over symbols of (p - p')^2;     energy likewise
mel      = mean over frames and bands of (m - m')^2

The means are over each row's own entries, or over the batch: see `losses.shares` (NeMo 3.0.0,
tts/losses/fastpitchloss.py, without its weight of 0.1).
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.losses.shares import share
from jaxspeech.masks import length_mask


def duration_loss(
    log_durations: Float[Any, "B N"],
    durations: Int[Any, "B N"] | Float[Any, "B N"],
    num_symbols: Int[Any, " B"],
    *,
    batch: Bool[Any, " B"] | None = None,
) -> Float[Array, " B"]:
    """Computes the loss of predicted log(1 + durations).

    Args:
      log_durations: predicted; padding may hold anything.
      durations: true ones, in frames.
      num_symbols: real symbols of each row.
      batch: None divides by the row's symbols; else see `losses.shares`.
    """
    return symbol_loss(log_durations, jnp.log(jnp.asarray(durations, jnp.float32) + 1), num_symbols, batch=batch)


def symbol_loss(
    predicted: Float[Any, "B N"],
    targets: Float[Any, "B N"],
    num_symbols: Int[Any, " B"],
    *,
    batch: Bool[Any, " B"] | None = None,
) -> Float[Array, " B"]:
    """Computes the mean square of the differences of one number per symbol: pitch, or energy."""
    predicted, targets, num_symbols = jnp.asarray(predicted), jnp.asarray(targets), jnp.asarray(num_symbols)
    real = length_mask(num_symbols, targets.shape[1])
    # Both are masked, so that no gradient meets what padding holds.
    errors = jnp.where(real, predicted, 0) - jnp.where(real, targets, 0)
    return share((errors.astype(jnp.float32) ** 2).sum(1), num_symbols, batch=batch)


def mel_loss(
    predicted: Float[Any, "B T_out F"],
    targets: Float[Any, "B T F"],
    num_frames: Int[Any, " B"],
    *,
    batch: Bool[Any, " B"] | None = None,
    skip_zeros: bool = False,
) -> Float[Array, " B"]:
    """Computes the mean square of the differences of mel frames.

    Args:
      predicted: frames that are missing at the end count as zeros, and those beyond the target are left out.
      targets: true frames; padding may hold anything.
      num_frames: real frames of each row's target.
      batch: None divides by the row's entries; else see `losses.shares`.
      skip_zeros: leave out entries whose target is exactly 0, as NeMo does.
    """
    predicted, targets, num_frames = jnp.asarray(predicted), jnp.asarray(targets), jnp.asarray(num_frames)
    missing = max(targets.shape[1] - predicted.shape[1], 0)
    predicted = jnp.pad(predicted, ((0, 0), (0, missing), (0, 0)))[:, : targets.shape[1]]
    counted = length_mask(num_frames, targets.shape[1])[:, :, None]
    if skip_zeros:
        counted = counted & (targets != 0)
    counted = jnp.broadcast_to(counted, targets.shape)
    errors = jnp.where(counted, predicted, 0) - jnp.where(counted, targets, 0)
    counts = counted.sum((1, 2)) if skip_zeros else num_frames * targets.shape[2]
    return share((errors.astype(jnp.float32) ** 2).sum((1, 2)), counts, batch=batch)
