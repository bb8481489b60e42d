"""What the training of a CTC head can have beside its own loss: losses of middle layers, and of two views' consistency.

CTC    = 1/2 (CTC(view a) + CTC(view b)) + alpha CR(view a, view b)     with `consistency`; else the CTC loss alone
loss_b = (1 - sum_i w_i) main + sum_i w_i CTC(head(layer_i))           with `interctc`; main is CTC, or a hybrid's loss
With `interctc.conditioned` the layers that follow see the tokens found there: see `tasks.self_conditioning`.

A middle layer's frames pass the same head as the last one's (Lee and Watanabe, "Intermediate Loss Regularization for
CTC-based Speech Recognition", 2021; NeMo's InterCTCMixin). The two views of an utterance are its features with masks
drawn for each (see `losses.consistency`); they are neighbours in a batch of twice as many rows, so that both are on one
device.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.ctc import CTCHead
from jaxspeech.decoders.language_prompt import prompted
from jaxspeech.decoders.lstm_head import LSTMHead
from jaxspeech.encoders.layer_outputs import wanted_layers
from jaxspeech.losses.consistency import consistency_loss
from jaxspeech.tasks.ctc_scored import CTCScored
from jaxspeech.tasks.recognition import Utterances, ctc_losses
from jaxspeech.tasks.self_conditioning import check_conditioned, token_conditions
from jaxspeech.types import Sound


@dataclass(frozen=True)
class InterCTC:
    """The section `interctc` of the model's configuration.

    Attributes:
      layers: numbers of the layers, from 0, whose output has a CTC loss too.
      weights: of their losses; the main loss has what is left of 1.
      conditioned: whether the layer after each of them sees the head's probabilities (`tasks.self_conditioning`).
    """

    layers: tuple[int, ...]
    weights: tuple[int | float, ...]
    conditioned: bool = False

    def __post_init__(self) -> None:
        if not self.layers or len(self.layers) != len(self.weights) or len({*self.layers}) < len(self.layers):
            raise TypeError(f"layers {self.layers} and weights {self.weights}: give each layer once, with its weight")
        if min(self.weights) < 0 or sum(self.weights) >= 1:
            raise TypeError(
                f"weights {self.weights}: they are shares of the loss, and must leave some to the main loss"
            )


@dataclass(frozen=True)
class Consistency:
    """The section `consistency` of the model's configuration.

    Attributes:
      weight: alpha.
    """

    weight: int | float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.weight < float("inf"):
            raise TypeError(f"weight is {self.weight}; it must be at least 0")


class HeadFrames(NamedTuple):
    """The logits of a CTC head for some frames; with two views R is 2 B, and else B."""

    logits: Float[Array, "R T W"]
    num_frames: Int[Array, " R"]


class Encodings(NamedTuple):
    """What a loss needs of the encoder.

    Attributes:
      encoded, num_frames: of the last layer, after the language prompt.
      head: logits of its frames.
      inner: logits of the frames of each layer in `interctc`.
    """

    encoded: Float[Array, "R T D"]
    num_frames: Int[Array, " R"]
    head: HeadFrames
    inner: tuple[HeadFrames, ...]


class CTCTrained(CTCScored, kw_only=True):
    """A model whose CTC head learns from more than its own loss.

    Attributes:
      interctc: losses of middle layers; None: there are none.
      consistency: loss between two views; None: there is one view.
    """

    interctc: InterCTC | None = None
    consistency: Consistency | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        wanted_layers(self.interctc and self.interctc.layers, self.encoder.depth)
        if self.conditioned_layers:
            check_conditioned(self.encoder, self.conditioned_layers)

    def setup(self) -> None:
        if self.conditioned_layers:
            encoder: Any = self.encoder  # a FastConformer
            self.conditioning = nn.Dense(encoder.width, dtype=encoder.dtype)

    @property
    def conditioned_layers(self) -> tuple[int, ...]:
        """The layers that are followed by what the head finds in them."""
        return self.interctc.layers if self.interctc is not None and self.interctc.conditioned else ()

    def between_layers(self) -> dict[str, Any]:
        """Returns what the encoder adds between its layers."""
        if not self.conditioned_layers:
            return {}
        if self.is_initializing():  # so that the head and the projection have parameters before the encoder runs
            self.add_tokens(jnp.zeros((1, 1, self.encoder.output_dim)))
        return {"conditions": token_conditions(self, self.conditioned_layers)}

    def add_tokens(self, frames: Float[Array, "B T D"]) -> Float[Array, "B T D"]:
        """Adds a projection of the head's probabilities to the frames after a layer."""
        return frames + self.conditioning(jnp.exp(self.frame_log_probs(frames))).astype(frames.dtype)

    def encodings(
        self,
        samples: Sound,
        num_samples: Int[Any, " B"],
        language: Int[Any, " B"] | None = None,
        *,
        train: bool = False,
    ) -> Encodings:
        """Encodes waveforms, in training twice if there is a loss between two views.

        The frames of middle layers reach the head without the language prompt, as in NeMo.
        """
        paired = train and self.consistency is not None
        features, num_frames = self.features(samples, num_samples, views=2 if paired else 1, train=train)
        layers = self.interctc.layers if self.interctc is not None and train else ()
        encoded, num_frames, outputs = self.encode_features_layers(features, num_frames, layers, train=train)
        if paired and language is not None:
            language = jnp.repeat(jnp.asarray(language), 2, 0)
        encoded = prompted(self.language_prompt, encoded, language)
        inner = tuple(HeadFrames(self.ctc_logits(output.frames), output.num_frames) for output in outputs)
        return Encodings(encoded, num_frames, HeadFrames(self.ctc_logits(encoded), num_frames), inner)


class CTCTerms(NamedTuple):
    """The CTC losses of a batch; inf where a transcript has no path.

    Attributes:
      regularized: of the last layer, with the consistency loss.
      inner: of middle layers; 0 where a transcript has no path in their frames.
      logged: for the log.
    """

    regularized: Float[Array, " B"]
    inner: tuple[Float[Array, " B"], ...]
    logged: dict[str, Float[Array, " B"]]


def in_views(batch: Utterances, encodings: Encodings) -> Utterances:
    """Returns the batch with each row as often as there are views of it."""
    views = encodings.num_frames.shape[0] // batch.num_labels.shape[0]
    return batch if views == 1 else jax.tree.map(partial(jnp.repeat, repeats=views, axis=0), batch)


def over_views(losses: Float[Array, " R"], batch: Utterances) -> Float[Array, " B"]:
    """Returns the mean loss of the views of each row."""
    size = batch.num_labels.shape[0]
    return losses if losses.shape[0] == size else losses.reshape(size, -1).mean(1)


def ctc_terms(model: CTCTrained, encodings: Encodings, batch: Utterances, head: CTCHead | LSTMHead) -> CTCTerms:
    """Computes all losses of a CTC head; `batch` has each row once."""
    rows = in_views(batch, encodings)
    last, *inner = (over_views(ctc_losses(*frames, rows, head), batch) for frames in (encodings.head, *encodings.inner))
    regularized, logged = last, {"ctc_loss": _finite(last)} if inner else {}
    if model.consistency is not None and rows is not batch:
        logits = encodings.head.logits
        loss = consistency_loss(logits[::2], logits[1::2], encodings.num_frames[::2])
        regularized = last + model.consistency.weight * loss
        logged = {"ctc_loss": _finite(last), "consistency_loss": loss}
    if model.interctc is not None:
        inner = [_finite(loss) for loss in inner]
        names = (f"interctc_loss_{layer}" for layer in model.interctc.layers)
        logged |= dict(zip(names, inner, strict=True))
    return CTCTerms(regularized, tuple(inner), logged)


def with_inner(
    main: Float[Array, " B"], inner: Sequence[Float[Array, " B"]], interctc: InterCTC | None
) -> Float[Array, " B"]:
    """Adds the losses of middle layers to the main one, in their shares."""
    if interctc is None:
        return main
    terms = (weight * loss for weight, loss in zip(interctc.weights, inner, strict=True))
    return (1 - sum(interctc.weights)) * main + sum(terms, start=jnp.zeros_like(main))


def _finite(losses: Float[Array, " B"]) -> Float[Array, " B"]:
    return jnp.where(losses == jnp.inf, 0.0, losses)
