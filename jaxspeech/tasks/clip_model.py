"""The base model of tasks with one result for a recording: waveform -> features -> encoder -> pooling -> scores."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.classification import PooledHead
from jaxspeech.decoders.speaker import SpeakerHead
from jaxspeech.encoders.jasper import Jasper
from jaxspeech.features.mfcc import MFCC
from jaxspeech.tasks.acoustic import AcousticModel


class ClipModel(AcousticModel, kw_only=True):
    """An encoder with a head that pools over the recording.

    Attributes:
      decoder: the head.
    """

    decoder: PooledHead | SpeakerHead

    @property
    def num_outputs(self) -> int:
        """C, the scores of a recording."""
        raise NotImplementedError

    def logits(
        self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"], *, train: bool = False
    ) -> Float[Array, "B C"]:
        """Computes the scores of recordings."""
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
        return self.logits_of_frames(encoded, encoded_frames + more, train=train)

    def logits_of_frames(
        self, encoded: Float[Any, "B T D"], num_frames: Int[Any, " B"], *, train: bool = False
    ) -> Float[Array, "B C"]:
        """Computes the same from encoder frames, of which the first `num_frames` of each row are pooled."""
        return self.decoder.logits(encoded, num_frames, num_classes=self.num_outputs, train=train)

    def pooled_frames(self, num_samples: Int[Any, " B"], num_frames: Int[Any, " B"]) -> Int[Array, " B"]:
        """Counts the feature frames that are pooled over.

        They are the real ones. MFCC features of a recording alone can have one more (see `MFCC.frames_alone`); NeMo
        pools over that too, where the convolutions overlap the recording's end.
        """
        if isinstance(self.frontend, MFCC) and isinstance(self.encoder, Jasper):
            return self.frontend.frames_alone(jnp.asarray(num_samples))
        return jnp.asarray(num_frames)

    __call__ = logits
