"""Classification of recordings: waveform -> features -> SpecAugment -> encoder -> pooling -> one class."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.classification import PooledHead
from jaxspeech.decoders.speaker import SpeakerHead
from jaxspeech.losses.classification import cross_entropy, label_weights
from jaxspeech.tasks.acoustic import shortest_audio
from jaxspeech.tasks.clip_model import ClipModel
from jaxspeech.tasks.kinds import Classification
from jaxspeech.tasks.parts import MASKS, PRODUCTS, TRUNK, Kind, Part
from jaxspeech.tasks.task import Task
from jaxspeech.tasks.train_apply import train_apply
from jaxspeech.types import Key, Phase, RowLosses, Variables


class LabelledClips(NamedTuple):
    """A padded batch of recordings, each with the number of its class.

    Attributes:
      samples: waveforms at the model's sample rate, in [-1, 1].
      num_samples: real samples of each row.
      label: the number of each row's class.
      index: each row's place in the dataset; -1 marks a filler row, which counts nowhere.
    """

    samples: Float[Any, "B S"]
    num_samples: Int[Any, " B"]
    label: Int[Any, " B"]
    index: Int[Any, " B"]


class ClipClassifier(ClipModel, kw_only=True):
    """A model of clips whose scores are the logits of classes.

    Attributes:
      num_classes: C.
      class_weights: how much each class counts in the loss; () for all the same.
      label_smoothing: share of the target that is spread over all classes.
      window_seconds: length of the window in which a longer recording is searched for the classes, about that of the
        clips that the model is trained on.
      logit_scale: factor of the head's logits, for those of an angular head, which are cosines.
    """

    num_classes: int = 0
    class_weights: tuple[float, ...] = ()
    label_smoothing: float = 0.0
    window_seconds: float = 0.63
    logit_scale: int | float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_class_options(self.num_classes, self.class_weights, self.label_smoothing)

    @property
    def num_outputs(self) -> int:
        """C."""
        return self.num_classes

    def logits_of_frames(
        self, encoded: Float[Any, "B T D"], num_frames: Int[Any, " B"], *, train: bool = False
    ) -> Float[Array, "B C"]:
        """Computes unnormalised scores of the classes from encoder frames."""
        return self.logit_scale * super().logits_of_frames(encoded, num_frames, train=train)


def check_class_options(num_classes: int, class_weights: tuple[float, ...], label_smoothing: float) -> None:
    """Raises TypeError, which `build` turns into one line, if the options of a loss over classes cannot be used."""
    if class_weights and len(class_weights) != num_classes:
        raise TypeError(f"class_weights has {len(class_weights)} numbers for {num_classes} classes")
    if not 0 <= label_smoothing < 1:
        raise TypeError(f"label_smoothing is {label_smoothing!r}; it must be 0 or more, and below 1")


def classification_task(model: ClipClassifier) -> Task[LabelledClips, Float[Array, "B C"], Classification]:
    """Returns the task of `model`: pure functions that initialise, train and run it."""
    frontend = model.frontend

    def init(key: Key) -> Variables:
        return dict(model.init(key, *shortest_audio(model)))

    def loss(variables: Variables, batch: LabelledClips, key: Key) -> tuple[RowLosses, Variables]:
        logits, updates = train_apply(model, variables, key, batch.samples, batch.num_samples)
        return class_losses(model, logits, batch.label), updates

    def probs(variables: Variables, samples: Float[Any, "B S"], num_samples: Int[Any, " B"]) -> Float[Array, "B C"]:
        apply: Any = model.apply
        return jax.nn.softmax(apply(variables, samples, num_samples))

    return Task(
        model=model,
        batch=LabelledClips,
        init=init,
        phases=(Phase(loss),),
        predict=lambda variables, batch: probs(variables, batch.samples, batch.num_samples),
        seconds=lambda batch: batch.num_samples / frontend.sample_rate,
        inference=Classification(frontend.sample_rate, None, probs, shortest_seconds=frontend.window_seconds),
    )


def class_losses(model: Any, logits: Float[Array, "B C"], label: Int[Any, " B"]) -> RowLosses:
    """Computes the losses of one class per row, weighted as the model says, and whether each is right."""
    losses = cross_entropy(logits, label, weights=model.class_weights, label_smoothing=model.label_smoothing)
    right = (logits.argmax(-1) == label).astype(jnp.float32)
    return RowLosses(losses, label_weights(label, weights=model.class_weights), {"accuracy": right})


CLASS_VALUES = {"num_classes": None, "class_weights": None, "label_smoothing": None}
CLASSIFICATION = Kind(
    ClipClassifier,
    classification_task,
    {**TRUNK, "decoder": Part("decoder", {"pooled": PooledHead, "speaker": SpeakerHead})},
    MASKS,
    {**PRODUCTS, **CLASS_VALUES, "logit_scale": None, "window_seconds": None},
)
