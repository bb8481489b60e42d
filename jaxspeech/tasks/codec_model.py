"""The model of a neural codec: encoder, quantizer and decoder, and the discriminators that it is trained with."""

import math
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.masks import zero_padding
from jaxspeech.quantizers.quantized import Quantized
from jaxspeech.tasks.codec_discriminators import CodecDiscriminators
from jaxspeech.tasks.codec_loss import CodecLoss


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
