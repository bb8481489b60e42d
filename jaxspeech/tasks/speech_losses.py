"""The terms of the loss of text-to-mel models, and their weights.

loss = mel + 0.1 (duration + pitch + energy) + forward_sum + w binarization,    w = min(updates / warm-up, 1)
"""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.encoders.taught import Taught
from jaxspeech.errors import ConfigError
from jaxspeech.losses.binarization import binarization_loss
from jaxspeech.losses.forward_sum import forward_sum_loss
from jaxspeech.losses.speech import duration_loss, mel_loss, symbol_loss


@dataclass(frozen=True)
class SpeechLoss:
    """The section `loss`: the weights of its terms.

    Attributes:
      mel, duration, pitch, energy: of the squared errors.
      alignment: of the forward-sum and the binarization loss.
      binarization_warmup: updates in which the weight of the binarization loss grows from 0 to that of `alignment`.
    """

    mel: float = 1.0
    duration: float = 0.1
    pitch: float = 0.1
    energy: float = 0.1
    alignment: float = 1.0
    binarization_warmup: int = 10_000

    def __post_init__(self) -> None:
        if self.binarization_warmup < 0:
            raise ConfigError(f"loss.binarization_warmup is {self.binarization_warmup}: at least 0 updates")


def speech_losses(
    taught: Taught,
    mel: Float[Any, "B T F"],
    num_frames: Int[Any, " B"],
    num_symbols: Int[Any, " B"],
    **options: Any,
) -> dict[str, Float[Array, " B"]]:
    """Computes the terms of the loss, without their weights.

    Args:
      taught: the model's outputs.
      mel, num_frames: of the recordings.
      num_symbols: of the texts.
      options: `batch`, see `losses.shares`.
    """
    predicted = taught.predicted
    terms = {
        "mel": mel_loss(taught.mel, mel, num_frames, **options),
        "duration": duration_loss(predicted.log_durations, taught.durations, num_symbols, **options),
        "pitch": symbol_loss(predicted.pitch, taught.pitch, num_symbols, **options),
        "forward_sum": forward_sum_loss(taught.alignment.scores, num_frames, num_symbols),
        "binarization": binarization_loss(taught.alignment.log_probs, taught.path, num_frames, **options),
    }
    if predicted.energy is not None and taught.energy is not None:
        terms["energy"] = symbol_loss(predicted.energy, taught.energy, num_symbols, **options)
    return terms


def weighted(terms: dict[str, Float[Array, " B"]], weights: SpeechLoss, binarization: Any) -> Float[Array, " B"]:
    """Adds up the terms; `binarization` is the share of its final weight that this term has."""
    factors = {
        **{name: getattr(weights, name) for name in ("mel", "duration", "pitch", "energy")},
        "forward_sum": weights.alignment,
        "binarization": weights.alignment * binarization,
    }
    return sum((factors[name] * term for name, term in terms.items()), jnp.zeros(()))
