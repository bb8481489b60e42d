"""Classification of frames: waveform -> features -> SpecAugment -> encoder -> head -> classes of each frame."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num

from jaxspeech.decoders.classification import FrameHead
from jaxspeech.losses.classification import cross_entropy, label_weights
from jaxspeech.masks import length_mask
from jaxspeech.tasks.acoustic import AcousticModel, shortest_audio
from jaxspeech.tasks.classification import CLASS_VALUES, check_class_options
from jaxspeech.tasks.kinds import Classification
from jaxspeech.tasks.parts import MASKS, PRODUCTS, TRUNK, Kind, Part
from jaxspeech.tasks.task import Task
from jaxspeech.tasks.train_apply import train_apply
from jaxspeech.types import Key, Phase, RowLosses, Variables


class LabelledFrames(NamedTuple):
    """A padded batch of recordings with the classes of their frames.

    Attributes:
      samples: waveforms at the model's sample rate, in [-1, 1].
      num_samples: real samples of each row.
      label: the number of each frame's class [B T]; with several classes at once, 1 for each that a frame has [B T C].
      num_label: frames of each row that have labels.
      index: each row's place in the dataset; -1 marks a filler row, which counts nowhere.
    """

    samples: Float[Any, "B S"]
    num_samples: Int[Any, " B"]
    label: Num[Any, "B T *C"]
    num_label: Int[Any, " B"]
    index: Int[Any, " B"]


class FrameClassifier(AcousticModel, kw_only=True):
    """An encoder with a head for each frame.

    Attributes:
      decoder: the head.
      num_classes: C.
      class_weights: how much each class counts in the loss; () for all the same.
      label_smoothing: share of the target that is spread over all classes.
      multi_label: whether a frame can be of several classes, or of none: each has a probability of its own.
    """

    decoder: FrameHead
    num_classes: int = 0
    class_weights: tuple[float, ...] = ()
    label_smoothing: float = 0.0
    multi_label: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_class_options(self.num_classes, self.class_weights, self.label_smoothing)

    def logits(
        self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"], *, train: bool = False
    ) -> tuple[Float[Array, "B T C"], Int[Array, " B"]]:
        """Computes unnormalised scores of the classes for each frame."""
        encoded, num_frames = self.encode(samples, num_samples, train=train)
        return self.decoder(encoded, num_classes=self.num_classes), num_frames

    def probabilities(self, logits: Float[Array, "B T C"]) -> Float[Array, "B T C"]:
        """Turns scores into probabilities: one distribution over the classes, or one for each class."""
        return jax.nn.sigmoid(logits) if self.multi_label else jax.nn.softmax(logits)

    __call__ = logits


FramesTask = Task[LabelledFrames, Any, Classification]


def frame_classification_task(model: FrameClassifier) -> FramesTask:
    """Returns the task of `model`: pure functions that initialise, train and run it."""
    frontend = model.frontend

    def init(key: Key) -> Variables:
        return dict(model.init(key, *shortest_audio(model)))

    def loss(variables: Variables, batch: LabelledFrames, key: Key) -> tuple[RowLosses, Variables]:
        (logits, num_frames), updates = train_apply(model, variables, key, batch.samples, batch.num_samples)
        return frame_losses(model, logits, num_frames, batch), updates

    def probs(variables: Variables, samples: Float[Any, "B S"], num_samples: Int[Any, " B"]) -> Any:
        apply: Any = model.apply
        logits, num_frames = apply(variables, samples, num_samples)
        return model.probabilities(logits), num_frames

    return Task(
        model=model,
        batch=LabelledFrames,
        init=init,
        phases=(Phase(loss),),
        predict=lambda variables, batch: probs(variables, batch.samples, batch.num_samples),
        seconds=lambda batch: batch.num_samples / frontend.sample_rate,
        inference=Classification(
            frontend.sample_rate, model.frame_seconds, probs, shortest_seconds=frontend.window_seconds
        ),
    )


def frame_losses(
    model: FrameClassifier, logits: Float[Array, "B T C"], num_frames: Int[Array, " B"], batch: LabelledFrames
) -> RowLosses:
    """Computes the sum of the frames' losses in each row; the weight of a row is the sum of the frames' weights.

    So with the reduction "mean_volume" every frame of a batch counts the same, as in NeMo.
    """
    length = min(logits.shape[1], batch.label.shape[1])
    logits, label = logits[:, :length], jnp.asarray(batch.label)[:, :length]
    real = length_mask(jnp.minimum(num_frames, jnp.asarray(batch.num_label)), length)
    if model.multi_label:
        target = jnp.where(real[..., None], label, 0).astype(jnp.float32)
        smooth = model.label_smoothing
        soft = target * (1 - smooth) + smooth / 2
        each = -(soft * jax.nn.log_sigmoid(logits) + (1 - soft) * jax.nn.log_sigmoid(-logits))
        each = each * jnp.asarray(model.class_weights or [1.0] * model.num_classes, jnp.float32)
        losses, weights = each.mean(-1), jnp.ones(real.shape, jnp.float32)
        right = ((logits > 0) == (target > 0.5)).all(-1)
    else:
        options = {"weights": model.class_weights}
        losses = cross_entropy(logits, label, label_smoothing=model.label_smoothing, **options)
        weights, right = label_weights(label, **options), logits.argmax(-1) == label
    weights = jnp.where(real, weights, 0)
    total = weights.sum(1)
    count = jnp.maximum(real.sum(1), 1)
    accuracy = jnp.where(real, right, False).sum(1) / count
    losses = jnp.where(real, losses, 0).sum(1)
    # Nothing can be learned from a row without a frame.
    return RowLosses(jnp.where(total > 0, losses, jnp.inf), total, {"accuracy": accuracy.astype(jnp.float32)})


FRAME_CLASSIFICATION = Kind(
    FrameClassifier,
    frame_classification_task,
    {**TRUNK, "decoder": Part("decoder", {"frames": FrameHead})},
    MASKS,
    {**PRODUCTS, **CLASS_VALUES, "multi_label": None},
)
