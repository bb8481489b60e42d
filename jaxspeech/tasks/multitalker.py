"""Recognition of one speaker among several: a transducer whose encoder has speaker kernels, with masks of the speaker.

A recording gives as many rows as it has speakers, with the same samples and different masks (see `nn.speaker_kernel`).
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.search.tokens import Tokens
from jaxspeech.speaker_masks import SpeakerMasks
from jaxspeech.tasks.acoustic import shortest_audio
from jaxspeech.tasks.kinds import TalkerRecognition
from jaxspeech.tasks.parts import MASKS, PRODUCTS, TRUNK, Kind
from jaxspeech.tasks.recognition import Utterances, label_losses, measure
from jaxspeech.tasks.task import Task
from jaxspeech.tasks.train_apply import train_apply
from jaxspeech.tasks.transducer import (
    DECODER,
    TRANSDUCER_ADVICE,
    TransducerModel,
    TransducerSearch,
    transducer_frames_needed,
    transducer_search,
)
from jaxspeech.tasks.transducer_loss import TransducerLoss, check_loss, transducer_losses
from jaxspeech.types import Capacity, Key, Phase, RowLosses, Variables


class TalkerUtterances(NamedTuple):
    """A padded batch of recordings, each with what one of its speakers says.

    Attributes:
      samples: waveforms at the model's sample rate, in [-1, 1].
      num_samples: real samples of each row.
      labels: token ids of what the speaker says, below V.
      num_labels: real labels of each row.
      activity: in each encoder frame, how active the speaker is, and the others are.
      num_activity: real frames of each row.
      index: each row's place in the dataset; -1 marks a filler row, which counts nowhere.
    """

    samples: Float[Any, "B S"]
    num_samples: Int[Any, " B"]
    labels: Int[Any, "B U"]
    num_labels: Int[Any, " B"]
    activity: Float[Any, "B M 2"]
    num_activity: Int[Any, " B"]
    index: Int[Any, " B"]

    @property
    def masks(self) -> SpeakerMasks:
        """The activity as masks."""
        return SpeakerMasks(self.activity[..., 0], self.activity[..., 1], self.num_activity)

    @property
    def utterances(self) -> Utterances:
        """The batch without the activity."""
        return Utterances(self.samples, self.num_samples, self.labels, self.num_labels, self.index)


class MultitalkerModel(TransducerModel, kw_only=True):
    """A transducer; all its methods that encode take the masks as well, and without them follow the only speaker."""


TalkerTask = Task[TalkerUtterances, Tokens, TalkerRecognition]


def multitalker_task(model: MultitalkerModel) -> TalkerTask:
    """Returns the task of `model`: pure functions that initialise, train and run it.

    Raises:
      ConfigError: the encoder has no speaker kernels.
    """
    check_loss(model.decoder, model.loss)
    if not getattr(model.encoder, "speaker_kernels", ()):
        raise ConfigError("the task multitalker needs an encoder with speaker_kernels: [0] of a fastconformer, say")
    sample_rate, search = model.frontend.sample_rate, transducer_search(model)

    def init(key: Key) -> Variables:
        return dict(model.init(key, *shortest_audio(model), jnp.zeros((1, 1), jnp.int32)))

    def loss(variables: Variables, batch: TalkerUtterances, key: Key) -> tuple[RowLosses, Variables]:
        key, loss_key = jax.random.split(key)
        inputs = batch.samples, batch.num_samples, batch.labels, batch.masks
        (inputs, num_frames), updates = train_apply(model, variables, key, *inputs, method="joint_inputs")
        utterances = batch.utterances
        return label_losses(transducer_losses(model, inputs, num_frames, utterances, loss_key), utterances), updates

    def encode(
        variables: Variables, samples: Float[Any, "B S"], num_samples: Int[Any, " B"], masks: SpeakerMasks
    ) -> tuple[Float[Array, "B T D"], Int[Array, " B"]]:
        apply: Any = model.apply
        return apply(variables, samples, num_samples, masks, method="encode")

    def predict(variables: Variables, batch: TalkerUtterances) -> Tokens:
        return search.decode(variables, *encode(variables, batch.samples, batch.num_samples, batch.masks))

    measured = partial(measure, model, transducer_frames_needed(model))
    return Task(
        model=model,
        batch=TalkerUtterances,
        init=init,
        phases=(Phase(loss),),
        predict=predict,
        seconds=lambda batch: batch.num_samples / sample_rate,
        inference=TalkerRecognition(
            sample_rate, model.frame_seconds, model.decoder.vocab_size, encode, search.decode, search.incremental
        ),
        capacity=Capacity(measured, "encoder frames", TRANSDUCER_ADVICE),
    )


MULTITALKER = Kind(
    MultitalkerModel,
    multitalker_task,
    {**TRUNK, "decoder": DECODER},
    {**MASKS, "loss": TransducerLoss, "search": TransducerSearch},
    PRODUCTS,
)
