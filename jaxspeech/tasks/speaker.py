"""Speaker recognition: waveform -> features -> SpecAugment -> encoder -> pooling -> embedding -> classifier -> loss."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.speaker import SpeakerHead
from jaxspeech.losses.classification import cross_entropy
from jaxspeech.losses.margin import angular_margin_loss
from jaxspeech.nn.products import products_in
from jaxspeech.row_groups import in_row_groups
from jaxspeech.tasks.acoustic import AcousticModel, shortest_audio
from jaxspeech.tasks.kinds import Embedding
from jaxspeech.tasks.parts import MASKS, PRODUCTS, TRUNK, Kind, Part
from jaxspeech.tasks.task import Task
from jaxspeech.tasks.train_apply import train_apply
from jaxspeech.types import Key, Phase, RowLosses, Variables


class Voices(NamedTuple):
    """A padded batch of recordings with the number of the speaker of each; -1 is one that is not trained on."""

    samples: Float[Any, "B S"]
    num_samples: Int[Any, " B"]
    label: Int[Any, " B"]
    index: Int[Any, " B"]


@dataclass(frozen=True)
class SpeakerLoss:
    """The section `loss` of the model's configuration.

    Attributes:
      scale, margin: of the angular loss, in an angular head (see `losses.margin`). NeMo's defaults are 20 and 1.35.
      label_smoothing: share of the target that all speakers get; for the cross-entropy of other heads.
    """

    scale: int | float = 30.0
    margin: int | float = 0.2
    label_smoothing: int | float = 0.0


class SpeakerModel(AcousticModel, kw_only=True):
    """An encoder with the head of a speaker model."""

    decoder: SpeakerHead
    loss: SpeakerLoss = SpeakerLoss()

    def __call__(
        self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"], *, train: bool = False
    ) -> tuple[Float[Array, "B C"], Float[Array, "B E"]]:
        """Computes the logits of the speakers of the training data, and the embedding."""
        return self.classify(*self.encode(samples, num_samples, train=train), train=train)

    def classify(
        self, encoded: Float[Any, "B T D"], num_frames: Int[Any, " B"], *, train: bool = False
    ) -> tuple[Float[Array, "B C"], Float[Array, "B E"]]:
        """Computes the same from encoder frames."""
        with products_in(self.product_dtype):
            return self.decoder(jnp.asarray(encoded), jnp.asarray(num_frames), train=train)

    def embed(self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"]) -> Float[Array, "B E"]:
        """Computes the embedding alone."""
        return self(samples, num_samples)[1]


def speaker_losses(
    logits: Float[Array, "B C"], labels: Int[Array, " B"], options: SpeakerLoss, *, angular: bool
) -> Float[Array, " B"]:
    """Computes the loss of each row: angular, or cross-entropy."""
    if angular:
        return angular_margin_loss(logits, labels, scale=options.scale, margin=options.margin)
    return cross_entropy(logits, labels, label_smoothing=options.label_smoothing)


def speaker_task(model: SpeakerModel) -> Task[Voices, Float[Array, "B E"], Embedding]:
    """Returns the task of `model`: pure functions that initialise, train and run it."""
    sample_rate, head = model.frontend.sample_rate, model.decoder

    def init(key: Key) -> Variables:
        return dict(model.init(key, *shortest_audio(model)))

    def loss(variables: Variables, batch: Voices, key: Key) -> tuple[RowLosses, Variables]:
        (logits, _), updates = train_apply(model, variables, key, batch.samples, batch.num_samples)
        losses = speaker_losses(logits, batch.label, model.loss, angular=head.angular)
        right = (logits.argmax(-1) == batch.label).astype(jnp.float32)
        return RowLosses(losses, jnp.ones_like(losses), {"accuracy": right}), updates

    def embed_rows(variables: Variables, samples: Any, num_samples: Any) -> Float[Array, "B E"]:
        apply: Any = model.apply
        return apply(variables, samples, num_samples, method="embed")

    def embed(variables: Variables, samples: Any, num_samples: Any) -> Float[Array, "B E"]:
        frames = samples.shape[1] // round(sample_rate * model.frame_seconds)
        return in_row_groups(embed_rows, variables, samples, num_samples, frames=frames)

    return Task(
        model=model,
        batch=Voices,
        init=init,
        phases=(Phase(loss),),
        predict=lambda variables, batch: embed(variables, batch.samples, batch.num_samples),
        seconds=lambda batch: batch.num_samples / sample_rate,
        inference=Embedding(sample_rate, head.width, embed),
    )


SPEAKER = Kind(
    SpeakerModel,
    speaker_task,
    {**TRUNK, "decoder": Part("decoder", {"speaker": SpeakerHead})},
    {**MASKS, "loss": SpeakerLoss},
    PRODUCTS,
)
