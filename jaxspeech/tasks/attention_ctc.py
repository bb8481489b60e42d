"""The CTC head on the encoder of a model with an attention decoder (Watanabe et al., 2017).

loss_b = (1 - w) attention_b + w CTC_b

Both terms are negative log-probabilities of a whole text, summed over its tokens, so that their ratio is the same
whatever reduces the rows. A row's weight remains the number of the decoder's targets.
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.losses.ctc import ctc_loss
from jaxspeech.types import RowLosses


def with_ctc_losses(
    attention: RowLosses,
    logits: Float[Array, "B T W"],
    num_frames: Int[Array, " B"],
    labels: Int[Any, "B U"],
    num_labels: Int[Any, " B"],
    *,
    weight: float,
) -> RowLosses:
    """Adds the CTC loss of what is said, without a prompt and an end, to the loss of the decoder.

    Args:
      attention: of the decoder.
      logits: of the CTC head, the blank last.
      num_frames: of the encoder.
      labels, num_labels: what is said; the number is -1 where it is not known, which adds nothing.
      weight: w.
    """
    known = jnp.asarray(num_labels) >= 0
    ctc = ctc_loss(logits, num_frames, labels, jnp.maximum(num_labels, 0), blank_id=logits.shape[-1] - 1)
    # A text with more tokens than frames has no CTC path: only the decoder learns from it.
    ctc = jnp.where(known & (ctc != jnp.inf), ctc, 0)
    losses = (1 - weight) * attention.losses + weight * ctc
    return RowLosses(losses, attention.weights, {"attention_loss": attention.losses, "ctc_loss": ctc})
