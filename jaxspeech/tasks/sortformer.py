"""Sortformer, which finds out who speaks when (Park et al., 2024): waveform -> features -> encoder -> head -> activity.

    offline:    features of x / (max(x) + 0.001) -> subsampling -> encoder layers -> head -> probabilities [B T S]
    streaming:  features of x -> subsampling of a chunk; [speaker cache | queue | chunk] -> encoder layers -> head

The S speakers are in the order in which they begin to speak.
"""

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.sortformer import SortformerDecoder
from jaxspeech.diarization.stream_settings import StreamSettings
from jaxspeech.encoders.fastconformer import FastConformer
from jaxspeech.errors import ConfigError
from jaxspeech.features.scaling import scale_by_loudest
from jaxspeech.losses.permutation import activity_losses, check_activity_options
from jaxspeech.masks import length_mask
from jaxspeech.nn.products import products_in
from jaxspeech.tasks.acoustic import AcousticModel, shortest_audio
from jaxspeech.tasks.kinds import Diarization
from jaxspeech.tasks.parts import ENCODER, FEATURES, MASKS, PRODUCTS, Kind, Part
from jaxspeech.tasks.stream_training import activity_of_stream, logits_in_steps
from jaxspeech.tasks.task import Task
from jaxspeech.tasks.train_apply import train_apply
from jaxspeech.types import Key, Phase, RowLosses, Variables


class Conversations(NamedTuple):
    """A padded batch of recordings with the activity of their speakers.

    Attributes:
      samples: waveforms at the model's sample rate, in [-1, 1].
      num_samples: real samples of each row.
      activity: 1 for each frame in which a speaker is active, otherwise 0; the speakers are in any order.
      num_activity: frames of each row whose activity is known.
      index: each row's place in the dataset; -1 marks a filler row, which counts nowhere.
    """

    samples: Float[Any, "B N"]
    num_samples: Int[Any, " B"]
    activity: Float[Any, "B T S"]
    num_activity: Int[Any, " B"]
    index: Int[Any, " B"]


@dataclass(frozen=True)
class ActivityLoss:
    """The section `loss` of the model's configuration; see `losses.permutation`.

    Attributes:
      ats_weight: of the loss with the speakers sorted by arrival.
      pil_weight: of the loss with the best order of the speakers.
      class_normalization: how active and inactive frames are weighted.
    """

    ats_weight: int | float = 0.5
    pil_weight: int | float = 0.5
    class_normalization: str = "none"

    def __post_init__(self) -> None:
        check_activity_options(self.ats_weight, self.pil_weight, self.class_normalization)


class SortformerModel(AcousticModel, kw_only=True):
    """An encoder with the head of Sortformer.

    Attributes:
      decoder: the head.
      scale_audio: divide each recording by its loudest sample, which must be known before its first frame.
      loss: weights of the losses.
      streaming: the sizes of a stream, as which such a model is trained; None if it is for whole recordings.
      causal_share: share of the training steps in which a frame attends to few frames after its own.
      causal_right: how many these are.
    """

    decoder: SortformerDecoder
    scale_audio: bool = True
    loss: ActivityLoss = ActivityLoss()
    streaming: StreamSettings | None = None
    causal_share: int | float = 0.0
    causal_right: int = 7

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.causal_share <= 1 or self.causal_right < 0:
            raise ConfigError(
                f"causal_share is {self.causal_share}, a share from 0 to 1; causal_right is {self.causal_right} frames"
            )
        if self.causal_share and not isinstance(self.encoder, FastConformer):
            raise ConfigError("causal_share needs an encoder whose attention can be limited, a fastconformer")
        if self.streaming is not None:
            self.streaming.check(self.decoder.num_speakers)
            if not isinstance(self.encoder, FastConformer):
                raise ConfigError(f"streaming needs a fastconformer as the encoder, not {type(self.encoder).__name__}")
            if self.scale_audio:
                raise ConfigError(
                    "a stream does not know its loudest sample: set scale_audio to False, or no streaming"
                )

    def features(
        self, samples: Float[Any, "B N"], num_samples: Int[Any, " B"], *, train: bool = False
    ) -> tuple[Float[Array, "B T F"], Int[Array, " B"]]:
        """Computes log-mel or MFCC frames of waveforms; no more than the longest possible row has."""
        if self.scale_audio:
            samples = scale_by_loudest(samples, num_samples)
        features, num_frames = super().features(samples, num_samples, train=train)
        # The padding counts in the statistics of batch norms, and NeMo's batches have no more than this.
        return features[:, : samples.shape[1] // self.frontend.hop_and_fft[0]], num_frames

    def subsample(
        self, features: Float[Any, "B T F"], num_frames: Int[Any, " B"]
    ) -> tuple[Float[Array, "B T_out D"], Int[Array, " B"]]:
        """Computes the frames before the encoder's layers, of a recording or of a chunk alone."""
        with products_in(self.product_dtype):
            encoder: Any = self.encoder  # a FastConformer
            return encoder(jnp.asarray(features), jnp.asarray(num_frames), only="subsampling")

    def logits_of_frames(
        self, frames: Float[Any, "B T D"], num_frames: Int[Any, " B"], *, train: bool = False
    ) -> tuple[Float[Array, "B T S"], Int[Array, " B"]]:
        """Computes unnormalised scores from the frames of `subsample`, which may come from different places."""
        with products_in(self.product_dtype):
            encoder: Any = self.encoder
            encoded, num_frames = encoder(jnp.asarray(frames), jnp.asarray(num_frames), train=train, only="layers")
            return self.decoder(encoded, num_frames, train=train), num_frames

    def activity_of_frames(
        self, frames: Float[Any, "B T D"], num_frames: Int[Any, " B"]
    ) -> tuple[Float[Array, "B T S"], Int[Array, " B"]]:
        """Computes the probability that each speaker is active from the same; it is 0 in the padding."""
        return self.probabilities(*self.logits_of_frames(frames, num_frames))

    def logits(
        self, samples: Float[Any, "B N"], num_samples: Int[Any, " B"], *, train: bool = False
    ) -> tuple[Float[Array, "B T S"], Int[Array, " B"]]:
        """Computes unnormalised scores of waveforms, whole recordings."""
        features = self.features(samples, num_samples, train=train)
        encoded, num_frames = self.encode_features(*features, train=train)
        with products_in(self.product_dtype):
            return self.decoder(encoded, num_frames, train=train), num_frames

    def activity(
        self, samples: Float[Any, "B N"], num_samples: Int[Any, " B"]
    ) -> tuple[Float[Array, "B T S"], Int[Array, " B"]]:
        """Computes the probability that each speaker is active in each frame; it is 0 in the padding."""
        return self.probabilities(*self.logits(samples, num_samples))

    def probabilities(
        self, logits: Float[Array, "B T S"], num_frames: Int[Array, " B"]
    ) -> tuple[Float[Array, "B T S"], Int[Array, " B"]]:
        """Turns scores into probabilities, each speaker for himself, in float32."""
        real = length_mask(num_frames, logits.shape[1])[..., None]
        return jnp.where(real, jax.nn.sigmoid(logits), 0), num_frames

    __call__ = logits

    def causal(self) -> "SortformerModel":
        """Returns the same model whose frames attend to `causal_right` frames after their own."""
        encoder: Any = self.encoder
        limited = encoder.clone(attention_context=(-1, self.causal_right), attention_style="regular")
        return self.clone(encoder=limited, decoder=self.decoder.clone(right_context=self.causal_right))


SortformerTask = Task[Conversations, tuple[Float[Array, "B T S"], Int[Array, " B"]], Diarization]


def sortformer_task(model: SortformerModel) -> SortformerTask:
    """Returns the task of `model`: pure functions that initialise, train and run it."""
    sample_rate = model.frontend.sample_rate

    def init(key: Key) -> Variables:
        return dict(model.init(key, *shortest_audio(model)))

    def scores(variables: Variables, key: Key, samples: Float[Any, "B N"], num_samples: Int[Any, " B"]) -> Any:
        apply = train_apply if model.streaming is None else logits_in_steps
        if not model.causal_share:
            return apply(model, variables, key, samples, num_samples)
        key, drawn = jax.random.split(key)
        limited = jax.random.bernoulli(drawn, model.causal_share)
        choices = [partial(apply, choice) for choice in (model.causal(), model)]
        return jax.lax.cond(limited, *choices, variables, key, samples, num_samples)

    def loss(variables: Variables, batch: Conversations, key: Key) -> tuple[RowLosses, Variables]:
        (logits, num_frames), updates = scores(variables, key, batch.samples, batch.num_samples)
        num_frames = jnp.minimum(num_frames, jnp.asarray(batch.num_activity))
        return activity_losses(logits, batch.activity, num_frames, **asdict(model.loss)), updates

    def activity(variables: Variables, samples: Float[Any, "B N"], num_samples: Int[Any, " B"]) -> Any:
        apply: Any = model.apply
        return apply(variables, samples, num_samples, method="activity")

    def predict(variables: Variables, batch: Conversations) -> Any:
        find = activity if model.streaming is None else partial(activity_of_stream, model)
        return find(variables, batch.samples, batch.num_samples)

    return Task(
        model=model,
        batch=Conversations,
        init=init,
        phases=(Phase(loss),),
        predict=predict,
        seconds=lambda batch: batch.num_samples / sample_rate,
        inference=Diarization(sample_rate, model.frame_seconds, model.decoder.num_speakers, activity, model.streaming),
    )


SORTFORMER = Kind(
    SortformerModel,
    sortformer_task,
    {
        "features": FEATURES,
        "encoder": ENCODER,
        "decoder": Part("decoder", {"sortformer": SortformerDecoder}),
    },
    {**MASKS, "loss": ActivityLoss, "streaming": StreamSettings},
    {**PRODUCTS, "scale_audio": None, "causal_share": None, "causal_right": None},
)
