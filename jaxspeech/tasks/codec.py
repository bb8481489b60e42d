"""Neural codec: waveforms -> encoder -> frames -> quantizer -> ids -> values -> decoder -> waveforms.

Training, in two updates of each step if there are discriminators:

    discriminator   of the samples and what became of them
    generator       distances of mels, spectra and samples + the discriminators' scores and features + commitment
"""

import math
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.codec import CodecDecoder
from jaxspeech.encoders.codec import CodecEncoder
from jaxspeech.errors import ConfigError
from jaxspeech.losses.adversarial import discriminator_loss, generator_loss
from jaxspeech.losses.feature_matching import feature_matching_loss
from jaxspeech.masks import zero_padding
from jaxspeech.quantizers.codebook import CODEBOOKS
from jaxspeech.quantizers.fsq import FSQ
from jaxspeech.quantizers.quantized import Quantized
from jaxspeech.quantizers.residual import ResidualVQ
from jaxspeech.tasks.branches import without_parts
from jaxspeech.tasks.codec_discriminators import CodecDiscriminators, seen_in
from jaxspeech.tasks.codec_loss import CodecLoss, mel_distances, reconstruction
from jaxspeech.tasks.kinds import Coding
from jaxspeech.tasks.parts import Kind, Part
from jaxspeech.tasks.task import Task
from jaxspeech.types import Key, Phase, RowLosses, Variables


class CodecRows(NamedTuple):
    """A padded batch of recordings.

    Attributes:
      index: each row's place in the dataset; -1 marks a filler row, which counts nowhere.
      samples: at the model's sample rate, in [-1, 1].
      num_samples: real samples of each row.
    """

    index: Int[Any, " B"]
    samples: Float[Any, "B S"]
    num_samples: Int[Any, " B"]


class Coded(NamedTuple):
    """What became of recordings.

    Attributes:
      samples, num_samples: decoded, of whole frames; zero beyond them.
      ids, num_frames: of the codes.
      mel: the distance of the samples and the recordings, see `tasks.codec_loss.mel_distances`.
    """

    samples: Float[Array, "B S"]
    num_samples: Int[Array, " B"]
    ids: Int[Array, "B C T"]
    num_frames: Int[Array, " B"]
    mel: Float[Array, " B"]


class CodecModel(nn.Module):
    """A codec.

    Attributes:
      encoder, quantizer, decoder: its parts.
      loss: the terms of the training's.
      discriminator: the networks that tell recordings from what became of them; None: trained without.
      sample_rate: in Hz.

    Raises:
      ConfigError: the parts do not fit together.
    """

    encoder: Any
    quantizer: Any
    decoder: Any
    loss: CodecLoss = CodecLoss()
    discriminator: CodecDiscriminators | None = None
    sample_rate: int = 22050

    def __post_init__(self) -> None:
        super().__post_init__()
        if math.prod(self.encoder.rates) != math.prod(self.decoder.rates):
            raise ConfigError(
                f"model: the encoder's rates {tuple(self.encoder.rates)} make frames of "
                f"{math.prod(self.encoder.rates)} samples, the decoder's {tuple(self.decoder.rates)} of "
                f"{math.prod(self.decoder.rates)}"
            )
        if self.encoder.width != self.quantizer.width:
            raise ConfigError(
                f"model: the encoder's frames have {self.encoder.width} values (model.encoder.width), the quantizer "
                f"takes {self.quantizer.width}"
            )
        smallest = 2 ** len(self.decoder.rates)
        if self.decoder.channels % smallest:
            raise ConfigError(f"model.decoder.channels is {self.decoder.channels}; it must be divisible by {smallest}")

    @property
    def frame_samples(self) -> int:
        """The number of samples of a frame."""
        return math.prod(self.encoder.rates)

    @property
    def reach(self) -> int:
        """The most frames on one side on which an id, or the samples of a frame, can depend."""
        return max(self.encoder.reach, self.decoder.reach)

    def __call__(
        self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"], *, train: bool = False
    ) -> tuple[Float[Array, "B S_out"], Float[Array, "B S_out"], Int[Array, " B"], Quantized]:
        """Encodes and decodes.

        Returns:
          What became of the samples; the samples with zeros up to whole frames; the numbers of samples of these frames;
          the quantized frames.
        """
        samples, num_samples = self.whole_frames(samples, num_samples)
        frames, num_frames = self.encoder(samples, num_samples)
        quantized = self.quantizer(frames, num_frames, train=train)
        decoded, _ = self.decoder(quantized.values, num_frames)
        if self.is_initializing() and self.discriminator is not None:
            self.discriminator(decoded, num_samples)
        return decoded, samples, num_samples, quantized

    def whole_frames(
        self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"]
    ) -> tuple[Float[Array, "B S_out"], Int[Array, " B"]]:
        """Puts zeros after each row's samples, up to whole frames, which are counted."""
        samples, num_samples = jnp.asarray(samples, jnp.float32), jnp.asarray(num_samples)
        samples = zero_padding(samples, num_samples)
        samples = jnp.pad(samples, ((0, 0), (0, -samples.shape[1] % self.frame_samples)))
        return samples, -(-num_samples // self.frame_samples) * self.frame_samples

    def frames(
        self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"]
    ) -> tuple[Float[Array, "B T D"], Int[Array, " B"]]:
        """Computes frames that are not quantized."""
        return self.encoder(*self.whole_frames(samples, num_samples))

    def encode(
        self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"]
    ) -> tuple[Int[Array, "B C T"], Int[Array, " B"]]:
        """Computes the ids of frames; ceil(n / frame_samples) of n samples."""
        frames, num_frames = self.frames(samples, num_samples)
        return self.quantizer(frames, num_frames).ids, num_frames

    def decode(
        self, ids: Int[Any, "B C T"], num_frames: Int[Any, " B"]
    ) -> tuple[Float[Array, "B S"], Int[Array, " B"]]:
        """Computes samples of ids, as many as whole frames have; zero beyond."""
        ids, num_frames = jnp.asarray(ids), jnp.asarray(num_frames)
        # Beyond a row's frames there may be anything, also numbers that no code has.
        ids = zero_padding(ids.swapaxes(1, 2), num_frames).swapaxes(1, 2)
        return self.decoder(self.quantizer.lookup(ids, num_frames), num_frames)

    def judge(self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"]) -> Any:
        """What the discriminators see in samples."""
        if self.discriminator is None:
            raise ConfigError("model.discriminator is missing")
        return self.discriminator(samples, num_samples)


def codec_task(model: CodecModel) -> Task[CodecRows, Coded, Coding]:
    """Returns the task of `model`: pure functions that initialise, train and run it."""
    apply: Any = model.apply
    rate, terms = model.sample_rate, model.loss

    def init(key: Key) -> Variables:
        # Long enough for the reflections of all layers.
        size = 16 * model.frame_samples
        return dict(model.init(key, jnp.zeros((1, size)), jnp.array([size])))

    def coded(variables: Variables, batch: CodecRows, key: Key | None) -> tuple[Any, Variables]:
        """The results of the model, and with a key the new codebooks."""
        # Of filler rows codebooks shall not learn.
        num_samples = jnp.where(jnp.asarray(batch.index) >= 0, batch.num_samples, 0)
        if key is None or CODEBOOKS not in variables:
            return apply(variables, batch.samples, num_samples, train=key is not None), {}
        found, updates = apply(
            variables, batch.samples, num_samples, train=True, rngs={"codes": key}, mutable=[CODEBOOKS]
        )
        return found, dict(updates)

    def judge(variables: Variables, samples: Array, num_samples: Array) -> Any:
        return apply(variables, samples, num_samples, method="judge")

    def discriminate(variables: Variables, batch: CodecRows, key: Key) -> tuple[RowLosses, Variables]:
        (decoded, samples, num_samples, _), _ = coded(variables, batch, key)
        decoded = jax.lax.stop_gradient(decoded)
        real, generated = (seen_in(judge(variables, x, num_samples)) for x in (samples, decoded))
        scores = [layers[-1] for layers in real], [layers[-1] for layers in generated]
        # NeMo takes the mean over the discriminators, and over real and generated audio.
        losses = discriminator_loss(*scores, distance=terms.distance) / (2 * len(real))
        return RowLosses(losses, jnp.ones_like(losses), {}), {}

    def generate(variables: Variables, batch: CodecRows, key: Key) -> tuple[RowLosses, Variables]:
        (decoded, samples, num_samples, quantized), updates = coded(variables, batch, key)
        found = reconstruction(decoded, samples, num_samples, terms, rate)
        if terms.commitment and CODEBOOKS in variables:
            found["commitment"] = quantized.commitment
        if model.discriminator is not None:
            still = {**variables, "params": jax.lax.stop_gradient(variables["params"])}
            generated = seen_in(judge(still, decoded, num_samples))
            if terms.adversarial:
                scores = [layers[-1] for layers in generated]
                found["adversarial"] = generator_loss(scores, distance=terms.distance) / len(scores)
            if terms.features:
                real = seen_in(judge(still, samples, num_samples))
                found["features"] = feature_matching_loss(real, generated, kind=terms.features_kind)
        losses = sum((getattr(terms, name) * value for name, value in found.items()), jnp.zeros(len(num_samples)))
        # Of silence there is nothing to learn.
        losses = jnp.where(num_samples > 0, losses, jnp.inf)
        return RowLosses(losses, jnp.ones_like(losses), found), updates

    def predict(variables: Variables, batch: CodecRows) -> Coded:
        (decoded, samples, num_samples, quantized), _ = coded(variables, batch, None)
        mel, _ = mel_distances(decoded, samples, num_samples, terms, rate)
        return Coded(decoded, num_samples, quantized.ids, num_samples // model.frame_samples, mel)

    phases = (Phase(generate),)
    if model.discriminator is not None:
        phases = (
            Phase(discriminate, trains="^discriminator/", name="discriminator"),
            Phase(generate, trains="^(encoder|quantizer|decoder)/", name="generator"),
        )
    return Task(
        model=model,
        batch=CodecRows,
        init=init,
        phases=phases,
        predict=predict,
        seconds=lambda batch: batch.num_samples / rate,
        inference=Coding(
            sample_rate=rate,
            frame_samples=model.frame_samples,
            num_codebooks=model.quantizer.num_codebooks,
            codebook_size=model.quantizer.size,
            encode=lambda variables, samples, num_samples: apply(variables, samples, num_samples, method="encode"),
            decode=lambda variables, ids, num_frames: apply(variables, ids, num_frames, method="decode"),
            causal=model.decoder.padding == "causal",
        ),
        used=lambda variables: without_parts(variables, "discriminator"),
    )


CODEC = Kind(
    CodecModel,
    codec_task,
    {
        "encoder": Part("encoder", {"codec": CodecEncoder}),
        "quantizer": Part("quantizer", {"fsq": FSQ, "residual": ResidualVQ}),
        "decoder": Part("decoder", {"codec": CodecDecoder}),
    },
    {"loss": CodecLoss, "discriminator": CodecDiscriminators},
    {"sample_rate": None},
)
