"""Shared parts of the recognition tasks: their batches, and the Task built from a model, its loss and its search."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.ctc import CTCHead
from jaxspeech.decoders.languages import LanguageTokens
from jaxspeech.decoders.lstm_head import LSTMHead
from jaxspeech.losses.ctc import ctc_loss
from jaxspeech.masks import length_mask
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.acoustic import AcousticModel
from jaxspeech.tasks.asked import asked_of
from jaxspeech.tasks.frames import count_frames
from jaxspeech.tasks.kinds import IncrementalSearch, Prompting, Recognition
from jaxspeech.tasks.task import Task
from jaxspeech.types import Capacity, Extents, Key, Phase, RowLosses, Sound, Variables

# What to change if many transcripts are too long for CTC.
CTC_ADVICE = (
    "CTC emits at most one token in an encoder frame, with a frame between equal ones: use longer tokens "
    "(tokenizer.vocab_size), less subsampling, or a transducer"
)


class Utterances(NamedTuple):
    """A padded batch of utterances with their transcripts.

    Attributes:
      samples: waveforms at the model's sample rate, in [-1, 1].
      num_samples: real samples of each row.
      labels: token ids of each transcript, below V.
      num_labels: real labels of each row.
      index: each row's place in the dataset; -1 marks a filler row, which counts nowhere.
      language: the prompt of each row, for a model with a language prompt; None for all others.
    """

    samples: Float[Any, "B S"]
    num_samples: Int[Any, " B"]
    labels: Int[Any, "B U"]
    num_labels: Int[Any, " B"]
    index: Int[Any, " B"]
    language: Int[Any, " B"] | None = None


class Search(NamedTuple):
    """The functions from encoder frames to tokens; the fields are those of `Recognition`."""

    decode: Callable[..., Tokens]
    log_probs: Callable[..., Float[Array, "B T W"]] | None
    incremental: IncrementalSearch | None
    decode_best: Callable[..., list[Tokens]] | None = None
    prompts: Prompting | None = None


# (examples, encoder frames of each) -> the least frames in which each transcript can be emitted
FramesNeeded = Callable[[Extents, Int[np.ndarray, " N"]], Int[np.ndarray, " N"]]
RecognitionTask = Task[Utterances, Tokens, Recognition]


def recognition_task(
    model: AcousticModel,
    *,
    init: Callable[[Key], Variables],
    loss: Callable[[Variables, Utterances, Key], tuple[RowLosses, Variables]],
    search: Search,
    vocab_size: int,
    frames_needed: FramesNeeded | None = None,
    advice: str = "",
) -> RecognitionTask:
    """Builds the Task of a recogniser, whose predictions are those of `search` over the encoder's frames.

    Args:
      model: the module.
      init, loss: as in `Task`.
      search: encoder frames -> tokens.
      vocab_size: V.
      frames_needed: computes the least frames in which each transcript can be emitted; None if any will do.
      advice: what to change if many transcripts need more frames than they have.
    """
    sample_rate = model.frontend.sample_rate

    def encode(
        variables: Variables, samples: Sound, num_samples: Int[Any, " B"]
    ) -> tuple[Float[Array, "B T D"], Int[Array, " B"]]:
        apply: Any = model.apply
        return apply(variables, samples, num_samples, method="encode")

    def predict(variables: Variables, batch: Utterances) -> Tokens:
        encoded = encode(variables, batch.samples, batch.num_samples)
        return search.decode(variables, *encoded, *(asked_of(batch.language) if search.prompts else ()))

    capacity = None
    if frames_needed is not None:
        capacity = Capacity(partial(measure, model, frames_needed), "encoder frames", advice)
    return Task(
        model=model,
        batch=Utterances,
        init=init,
        phases=(Phase(loss),),
        predict=predict,
        seconds=lambda batch: batch.num_samples / sample_rate,
        inference=Recognition(sample_rate, model.frame_seconds, vocab_size, encode, **search._asdict()),
        capacity=capacity,
    )


def measure(
    model: AcousticModel, frames_needed: FramesNeeded, examples: Extents
) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " N"]]:
    """Counts the frames that the transcripts need, and those that there are."""
    frames = count_frames(model, examples.lengths["samples"])
    return frames_needed(examples, frames), frames


def label_losses(losses: Float[Array, " B"], batch: Utterances, **logged: Float[Array, " B"]) -> RowLosses:
    """Returns losses of transcripts as RowLosses; the weight of a row is its number of labels."""
    return RowLosses(losses, batch.num_labels.astype(losses.dtype), logged)


def ctc_losses(
    logits: Float[Array, "B T W"], num_frames: Int[Array, " B"], batch: Utterances, head: CTCHead | LSTMHead
) -> Float[Array, " B"]:
    """Computes the CTC loss of each row."""
    losses = ctc_loss(logits, num_frames, batch.labels, batch.num_labels, blank_id=head.vocab_size)
    return without_other_languages(losses, head.tokens, batch)


def without_other_languages(
    losses: Float[Array, " B"], tokens: LanguageTokens | None, batch: Utterances
) -> Float[Array, " B"]:
    """Returns a loss of inf for rows in which there are tokens of another language than the chosen one."""
    if tokens is None:
        return losses
    real = length_mask(jnp.asarray(batch.num_labels), batch.labels.shape[1])
    return jnp.where((real & ~tokens.contains(batch.labels)).any(1), jnp.inf, losses)


def ctc_frames_needed(examples: Extents, frames: Int[np.ndarray, " N"]) -> Int[np.ndarray, " N"]:
    """Counts the frames that CTC needs: one for each label, and one more between equal neighbours.

    Transcripts are encoded only where it depends on their equal neighbours whether they fit. Of the others, the number
    of labels is returned.
    """
    needed = examples.lengths["labels"].astype(np.int64)
    unsure = np.flatnonzero((needed <= frames) & (2 * needed - 1 > frames))
    for example, labels in zip(unsure, examples.values("labels", unsure), strict=True):
        needed[example] += np.count_nonzero(labels[1:] == labels[:-1])
    return needed
