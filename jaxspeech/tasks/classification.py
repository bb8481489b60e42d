"""Classification of recordings: waveform -> features -> SpecAugment -> encoder -> pooling -> one class."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.classification import PooledHead
from jaxspeech.encoders.jasper import Jasper
from jaxspeech.features.mfcc import MFCC
from jaxspeech.losses.classification import cross_entropy, label_weights
from jaxspeech.masks import length_mask
from jaxspeech.tasks.acoustic import AcousticModel, shortest_audio
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


class ClipClassifier(AcousticModel, kw_only=True):
    """An encoder with a head that pools over the recording.

    Attributes:
      decoder: the head.
      num_classes: C.
      class_weights: how much each class counts in the loss; () for all the same.
      label_smoothing: share of the target that is spread over all classes.
      window_seconds: length of the window in which a longer recording is searched for the classes, about that of the
        clips that the model is trained on.
    """

    decoder: PooledHead
    num_classes: int = 0
    class_weights: tuple[float, ...] = ()
    label_smoothing: float = 0.0
    window_seconds: float = 0.63

    def __post_init__(self) -> None:
        super().__post_init__()
        check_class_options(self.num_classes, self.class_weights, self.label_smoothing)

    def logits(
        self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"], *, train: bool = False
    ) -> Float[Array, "B C"]:
        """Computes unnormalised scores of the classes."""
        features, num_frames = self.features(samples, num_samples, train=train)
        return self.logits_of_features(features, num_frames, self.pooled_frames(num_samples, num_frames), train=train)

    def logits_of_features(
        self,
        features: Float[Any, "B T F"],
        num_frames: Int[Any, " B"],
        pooled_frames: Int[Any, " B"],
        *,
        train: bool = False,
    ) -> Float[Array, "B C"]:
        """Computes the same from features; the first `pooled_frames` of each row are pooled, see `pooled_frames`."""
        encoded, encoded_frames = self.encode_features(features, num_frames, train=train)
        more = -(-jnp.asarray(pooled_frames) // self.encoder.total_factor) - -(
            -jnp.asarray(num_frames) // self.encoder.total_factor
        )
        real = length_mask(encoded_frames + more, encoded.shape[1])
        return self.decoder(encoded, real, num_classes=self.num_classes)

    def pooled_frames(self, num_samples: Int[Any, " B"], num_frames: Int[Any, " B"]) -> Int[Array, " B"]:
        """Counts the feature frames that are pooled over.

        They are the real ones. MFCC features of a recording alone can have one more (see `MFCC.frames_alone`); NeMo
        pools over that too, where the convolutions overlap the recording's end.
        """
        if isinstance(self.frontend, MFCC) and isinstance(self.encoder, Jasper):
            return self.frontend.frames_alone(jnp.asarray(num_samples))
        return jnp.asarray(num_frames)

    __call__ = logits


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
    {**TRUNK, "decoder": Part("decoder", {"pooled": PooledHead})},
    MASKS,
    {**PRODUCTS, **CLASS_VALUES, "window_seconds": None},
)
