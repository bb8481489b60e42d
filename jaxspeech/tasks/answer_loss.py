"""Scores the answers of conversations: the loss of language models, of those that hear too.

loss_b = - sum_p log p(id_p | what stands before place p)           over the places p of answers
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.losses.tokens import token_losses
from jaxspeech.text.chat import AUDIO
from jaxspeech.types import RowLosses


@dataclass(frozen=True)
class AnswerLoss:
    """Options of the loss.

    Attributes:
      label_smoothing: share of the probability that is spread over all tokens.
    """

    label_smoothing: float = 0.0


@runtime_checkable
class WithAnswers(Protocol):
    """A batch with answers; see `tasks.speech_lm.Conversations`."""

    @property
    def ids(self) -> Int[Any, "B L"]: ...
    @property
    def num_ids(self) -> Int[Any, " B"]: ...
    @property
    def answers(self) -> Bool[Any, "B L"]: ...


class ScoredAnswers(NamedTuple):
    """The probability of the answers.

    Attributes:
      losses: sum of -log p over the targets, in nats.
      right: targets that are the most probable token, given what stands before them.
      targets: their number.
    """

    losses: Float[Any, " B"]
    right: Int[Any, " B"]
    targets: Int[Any, " B"]


def scored_answers(
    states: Float[Array, "B L D"], batch: WithAnswers, *, logits: Any, label_smoothing: float = 0.0
) -> ScoredAnswers:
    """Scores the answers of a batch.

    Args:
      states: of the language model after each place.
      batch: with L places.
      logits: function from states [B n D] to scores [B n V]; it is called for targets alone.
      label_smoothing: see `AnswerLoss`.
    """
    targets, counts = targets_of(batch)
    options: dict[str, Any] = {"logits": logits, "label_smoothing": label_smoothing, "sparse": True}
    return ScoredAnswers(*token_losses(states[:, :-1], targets, counts, **options), counts.sum(1))


def answer_losses(scored: ScoredAnswers) -> RowLosses:
    """Returns the losses of rows, which weigh as many targets as they have."""
    weights = scored.targets.astype(jnp.float32)
    return RowLosses(scored.losses, weights, {"token_accuracy": scored.right / jnp.maximum(weights, 1)})


def targets_of(batch: WithAnswers) -> tuple[Int[Array, "B N"], Bool[Array, "B N"]]:
    """Returns what follows each place but the last, and which of that is a target: N = L - 1."""
    ids, real = jnp.asarray(batch.ids), jnp.arange(batch.ids.shape[1]) < jnp.asarray(batch.num_ids)[:, None]
    return ids[:, 1:], (jnp.asarray(batch.answers) & real & (ids != AUDIO))[:, 1:]
