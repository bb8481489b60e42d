"""The base model of every task that encodes speech: waveform -> features -> SpecAugment -> encoder."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.encoders.encoder import Encoder
from jaxspeech.encoders.layer_outputs import Layer, LayerOutput, wanted_layers
from jaxspeech.features.framing import hop_samples
from jaxspeech.features.mel import MelSpectrogram
from jaxspeech.features.mfcc import MFCC
from jaxspeech.features.specaugment import SpecAugment
from jaxspeech.nn.products import products_in
from jaxspeech.tasks.encoder_layers import EncoderLayers
from jaxspeech.types import Sound


class AcousticModel(nn.Module):
    """The feature extractor, SpecAugment and the encoder; each method runs one part or several in sequence.

    All methods take and return padded rows with their lengths. In place of waveforms all of them, and those of the
    models made of this one, take mel frames [B T F] that were computed, or generated, by a frontend with these settings
    but without normalisation, and their numbers. `beside` is what an encoder takes besides features: the
    masks of speakers, if it has speaker kernels.

    Attributes:
      product_dtype: dtype to which the operands of the encoder's float32 products are rounded; see `nn.products`.
    """

    frontend: MelSpectrogram | MFCC | EncoderLayers
    encoder: Encoder
    spec_augment: SpecAugment | None = None
    product_dtype: Any = None

    def features(
        self, samples: Sound, num_samples: Int[Any, " B"], *, views: int = 1, train: bool = False
    ) -> tuple[Float[Array, "R T F"], Int[Array, " R"]]:
        """Computes the frontend's frames of waveforms, with SpecAugment in training.

        With several views, each row is repeated so often, one after the other, and each view has its own masks.
        """
        if jnp.ndim(samples) == 3 and isinstance(self.frontend, MelSpectrogram):
            features, num_frames = self.frontend.finish(samples, num_samples)
        else:
            features, num_frames = self.frontend(samples, num_samples, train=train)
        if views > 1:
            features, num_frames = jnp.repeat(features, views, 0), jnp.repeat(num_frames, views, 0)
        if train and self.spec_augment is not None:
            features = self.spec_augment(features, num_frames)
        return features, num_frames

    def encode_features(
        self, features: Float[Any, "B T F"], num_frames: Int[Any, " B"], *beside: Any, train: bool = False
    ) -> tuple[Float[Array, "B T_out D"], Int[Array, " B"]]:
        """Encodes feature frames."""
        with products_in(self.product_dtype):
            inputs = jnp.asarray(features), jnp.asarray(num_frames), *beside
            return self.encoder(*inputs, train=train, **self.between_layers())

    def encode(
        self, samples: Sound, num_samples: Int[Any, " B"], *beside: Any, train: bool = False
    ) -> tuple[Float[Array, "B T D"], Int[Array, " B"]]:
        """Encodes waveforms."""
        return self.encode_features(*self.features(samples, num_samples, train=train), *beside, train=train)

    def encode_features_layers(
        self,
        features: Float[Any, "B T F"],
        num_frames: Int[Any, " B"],
        layers: Sequence[Layer],
        *beside: Any,
        train: bool = False,
    ) -> tuple[Float[Array, "B T_out D"], Int[Array, " B"], list[LayerOutput]]:
        """Encodes feature frames, and returns the outputs of some layers too; see `encoders.layer_outputs`.

        Raises:
          ConfigError: there is no such layer.
        """
        with products_in(self.product_dtype):
            inputs = jnp.asarray(features), jnp.asarray(num_frames), *beside
            return self.encoder(*inputs, train=train, layers=layers, **self.between_layers())

    def encode_layers(
        self, samples: Sound, num_samples: Int[Any, " B"], layers: Sequence[Layer], *beside: Any, train: bool = False
    ) -> tuple[Float[Array, "B T D"], Int[Array, " B"], list[LayerOutput]]:
        """Encodes waveforms, and returns the outputs of some layers too; see `encoders.layer_outputs`."""
        features, num_frames = self.features(samples, num_samples, train=train)
        return self.encode_features_layers(features, num_frames, layers, *beside, train=train)

    def between_layers(self) -> dict[str, Any]:
        """Returns what the encoder takes of other parts of the model; a model has nothing, unless it says what."""
        return {}

    def check_layers(self, layers: Sequence[Any]) -> None:
        """Raises ConfigError unless the encoder has these layers."""
        wanted_layers(layers, self.encoder.depth)

    @property
    def frame_seconds(self) -> float:
        """Seconds of audio per encoder frame, which is a whole number of samples."""
        rate = self.frontend.sample_rate
        return hop_samples(sample_rate=rate, hop_seconds=self.frontend.hop_seconds) / rate * self.encoder.total_factor


def shortest_audio(model: AcousticModel) -> tuple[Float[Array, "1 S"], Int[Array, " 1"]]:
    """Returns silence to initialise a model with: long enough for every layer; its length affects no parameter."""
    samples = jnp.zeros((1, model.frontend.sample_rate // 2))
    return samples, jnp.array([samples.shape[1]])


def any_language(model: Any) -> tuple[Int[Array, " 1"], ...]:
    """Returns a language to initialise a model with; nothing for a model without a language prompt."""
    return () if model.language_prompt is None else (jnp.zeros(1, jnp.int32),)
