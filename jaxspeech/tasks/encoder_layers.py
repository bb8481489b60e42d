"""Features that are the frames of an encoder's layers, in place of mel frames: a trained encoder feeds a new model.

    mel = mel(samples);  x_i = layer i of the encoder(mel);  features = aggregate(x_i for each of the layers)

A frozen encoder runs as in inference, in training too. Its variables are no parameters: they are in a collection of
their own, without gradients, moments or weight decay.

NeMo: asr/modules/ssl_modules/multi_layer_feat.py, which adds the output of the last layer to those that are asked for,
and freezes the weights of a weighted sum together with the encoder.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.encoders.encoder import Encoder
from jaxspeech.encoders.layer_outputs import LayerOutput, wanted_layers
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.features.framing import hop_samples
from jaxspeech.features.mel import MelSpectrogram
from jaxspeech.features.specaugment import SpecAugment
from jaxspeech.gathering import gathering
from jaxspeech.nn.aggregate import MODES, Aggregate

# The collection of a frozen encoder: {"weights": all that it has, by its own collections}.
FROZEN = "frozen"


class EncoderLayers(nn.Module):
    """Computes features from waveforms by an encoder.

    Attributes:
      features: the encoder's own.
      encoder: a FastConformer, for example.
      layers: numbers of its layers, from 0.
      aggregate: see `nn.aggregate`.
      frozen: whether the encoder keeps its weights.
      spec_augment: masks of the encoder's features in training; None: there are none.
    """

    features: MelSpectrogram
    encoder: Encoder
    layers: tuple[int, ...]
    aggregate: str = "weighted_sum"
    frozen: bool = True
    spec_augment: SpecAugment | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.aggregate not in MODES:
            raise ConfigError(f"aggregate {self.aggregate!r}{did_you_mean(self.aggregate, MODES)}")
        if not self.layers:
            raise ConfigError("layers is empty: give numbers of the encoder's layers")
        wanted_layers(self.layers, self.encoder.depth)

    @property
    def sample_rate(self) -> int:
        """Of the audio, in Hz."""
        return self.features.sample_rate

    @property
    def window_seconds(self) -> float:
        """The shortest audio that gives a frame."""
        return self.hop_seconds

    @property
    def hop_seconds(self) -> float:
        """Distance between the frames."""
        rate = self.sample_rate
        hop = hop_samples(sample_rate=rate, hop_seconds=self.features.hop_seconds)
        return hop * self.encoder.total_factor / rate

    @property
    def normalize(self) -> str:
        """What a frame depends on: as with features that are normalised over a recording, on all of it."""
        return "encoder"

    @property
    def num_features(self) -> int:
        """The number of features per frame, F."""
        return self.encoder.output_dim * (len(self.layers) if self.aggregate == "cat" else 1)

    @nn.compact
    def __call__(
        self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"], *, train: bool = False
    ) -> tuple[Float[Array, "B T F"], Int[Array, " B"]]:
        """Computes features, and the number of real frames of each row.

        Raises:
          ConfigError: the layers have different frame rates or, for another aggregate than "cat", widths.
        """
        features, num_frames = self.features(samples, num_samples, train=train)
        if train and self.spec_augment is not None:
            features = self.spec_augment(features, num_frames)
        if self.frozen:
            outputs = self._frozen(features, num_frames)
        else:
            outputs = self.encoder(features, num_frames, train=train, layers=self.layers)[2]
        rates, widths = ({output.frames.shape[axis] for output in outputs} for axis in (1, 2))
        if len(rates) > 1 or (self.aggregate != "cat" and len(widths) > 1):
            sizes = ", ".join(f"{tuple(output.frames.shape[1:])}" for output in outputs)
            raise ConfigError(f"layers {self.layers} differ in frames or width ({sizes}): choose layers of one size")
        joined = Aggregate(self.aggregate, name="aggregate")([output.frames.astype(jnp.float32) for output in outputs])
        return joined, outputs[0].num_frames

    def _frozen(self, features: Float[Array, "B T F"], num_frames: Int[Array, " B"]) -> list[LayerOutput]:
        encoder: Any = self.encoder
        encoder = encoder.clone(parent=None, name=None)

        def init() -> dict[str, Any]:
            return dict(encoder.init(self.make_rng("params"), features, num_frames))

        weights = self.variable(FROZEN, "weights", init).value
        # Weights that are no parameters are not split over devices as these are.
        with gathering(None, axis="data"):
            outputs = encoder.apply(weights, features, num_frames, layers=self.layers)[2]
        return jax.lax.stop_gradient(outputs)
