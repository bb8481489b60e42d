"""The model of a vocoder: the features that its generator takes, the generator, and its discriminators."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.harmonic_vocos import HarmonicVocos
from jaxspeech.errors import ConfigError
from jaxspeech.features.mel import MelSpectrogram
from jaxspeech.features.pitch import pitch
from jaxspeech.losses.adversarial import row_means
from jaxspeech.losses.pitch import pitch_loss
from jaxspeech.masks import length_mask, zero_padding
from jaxspeech.tasks.discriminators import AllSeen
from jaxspeech.tasks.vocoder_loss import VocoderLoss

# Added to the powers of the mels that are compared, before their root, as in NeMo.
POWER_GUARD = 1e-5


class Recordings(NamedTuple):
    """Real audio cut to whole frames, and its mel frames; zero beyond each row's end.

    Attributes:
      pitch: of each frame in Hz, 0 where it is unvoiced; None where the generator has no source.
    """

    samples: Float[Array, "B S"]
    num_samples: Int[Array, " B"]
    mel: Float[Array, "B T F"]
    num_frames: Int[Array, " B"]
    pitch: Float[Array, "B T"] | None = None


class VocoderModel(nn.Module):
    """A generator with the features that it takes, and the discriminators that it is trained with.

    Attributes:
      frontend: computes the mel frames of recordings.
      generator: from mel frames to samples; has `hop` and `delay`.
      discriminators: of samples.
      loss: how they are weighed.
    """

    frontend: MelSpectrogram
    generator: Any
    discriminators: Any
    loss: VocoderLoss = VocoderLoss()

    def __post_init__(self) -> None:
        super().__post_init__()
        hop = self.frontend.hop_and_fft[0]
        if self.generator.hop != hop:
            raise ConfigError(
                f"model.generator makes {self.generator.hop} samples of a frame; model.features has a frame in {hop}"
            )
        if self.frontend.normalize != "none" or self.frontend.frame_splicing != 1:
            raise ConfigError("model.features: a vocoder needs normalize 'none' and frame_splicing 1")
        if isinstance(self.generator, HarmonicVocos) and self.generator.sample_rate != self.frontend.sample_rate:
            raise ConfigError(
                f"model.generator.sample_rate is {self.generator.sample_rate}, that of model.features "
                f"{self.frontend.sample_rate}: both must be the same"
            )
        centred = getattr(self.generator, "centred", None)
        if centred is not None and centred == self.frontend.exact_pad:
            raise ConfigError(
                f"model.generator.centred is {centred}, model.features.exact_pad too: it is one or the other"
            )

    def features(
        self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"]
    ) -> tuple[Float[Array, "B T F"], Int[Array, " B"]]:
        """Computes the mel frames that the generator takes, one for each whole hop of samples."""
        return mel_frames(self.frontend, samples, num_samples)

    def vocode(self, mel: Float[Any, "B T F"], num_frames: Int[Any, " B"]) -> Float[Array, "B S"]:
        """Makes samples, `hop` for each frame; zero beyond each row's frames."""
        return self.generator(mel, num_frames)

    def made_again(self, recordings: Recordings) -> tuple[Float[Array, "B S"], dict[str, Float[Array, " B"]]]:
        """Makes recordings again.

        Returns:
          Their samples, and the loss of the predicted pitch under "pitch", if the generator has a source.
        """
        mel, num_frames, pitch = recordings.mel, recordings.num_frames, recordings.pitch
        if pitch is None:
            return self.vocode(mel, num_frames), {}
        made = self.generator.taught(mel, num_frames, pitch)
        real = length_mask(num_frames, mel.shape[1])
        return made.samples, {"pitch": pitch_loss(made.voiced, made.octaves, pitch, real, centre=self.generator.centre)}

    def judge(self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"], *, train: bool = False) -> AllSeen:
        """Lets the discriminators judge samples; with `train`, their spectral norms follow their kernels."""
        return self.discriminators(samples, num_samples, train=train)

    def compared(self) -> tuple[MelSpectrogram, ...]:
        """The mels of which the loss takes the distance."""
        shared: dict[str, Any] = {"high_hz": None, "power_guard": POWER_GUARD, "dither": 0.0, "parent": None}
        first, rate = self.frontend.clone(**shared), self.frontend.sample_rate
        more = [
            self.frontend.clone(
                fft_size=size, window_seconds=size / rate, hop_seconds=hop / rate, num_mels=mels, **shared
            )
            for size, hop, mels in self.loss.resolutions
        ]
        return first, *more

    def mel_distance(
        self, ours: Float[Array, "B S"], real: Float[Array, "B S"], num_samples: Int[Array, " B"], left_out: int = 0
    ) -> Float[Array, " B"]:
        """The mean magnitude of the differences of mels, over real frames and bands.

        Args:
          ours, real: audio, zero beyond `num_samples`.
          num_samples: of both.
          left_out: the last frames of each row, which are not compared.
        """
        distances = []
        for mel in self.compared():
            (a, num_frames), (b, _) = (mel_frames(mel.bind({}), x, num_samples) for x in (ours, real))
            distances.append(row_means(jnp.abs(a - b), length_mask(num_frames - left_out, a.shape[1])))
        return jnp.stack(distances).mean(0)

    def __call__(self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"]) -> tuple[Array, AllSeen]:
        """Makes recordings again, and judges them; for the initial variables."""
        mel, num_frames = self.features(samples, num_samples)
        made = self.vocode(mel, num_frames)
        return made, self.judge(made, num_frames * self.generator.hop)


def mel_frames(
    frontend: Any, samples: Float[Any, "B S"], num_samples: Int[Any, " B"]
) -> tuple[Float[Array, "B T F"], Int[Array, " B"]]:
    """Computes mel frames, one for each whole hop of samples.

    With `exact_pad`, NeMo fills the last one with the padding's value; here it is computed like the others.
    """
    samples, num_samples = jnp.asarray(samples, jnp.float32), jnp.asarray(num_samples)
    hop = frontend.hop_and_fft[0]
    whole = samples.shape[1] // hop
    if frontend.exact_pad:
        samples = jnp.pad(zero_padding(samples, num_samples), ((0, 0), (0, hop)))
        num_samples = num_samples + hop
    mel, num_frames = frontend(samples, num_samples)
    return mel[:, :whole], num_frames


def whole_frames(model: VocoderModel, samples: Float[Any, "B S"], num_samples: Int[Any, " B"]) -> Recordings:
    """Cuts recordings to the frames that a generator makes of them."""
    hop = model.generator.hop
    samples, num_samples = jnp.asarray(samples, jnp.float32), jnp.asarray(num_samples)
    lengths = num_samples // hop * hop
    samples = zero_padding(samples[:, : samples.shape[1] // hop * hop], lengths)
    mel, num_frames = model.bind({}).features(samples, lengths)
    return Recordings(samples, lengths, mel, num_frames, pitch_of(model, samples, lengths))


def pitch_of(
    model: VocoderModel, samples: Float[Array, "B S"], num_samples: Int[Array, " B"]
) -> Float[Array, "B T"] | None:
    """The pitch of recordings, which a generator with a source learns from; None for another one."""
    generator = model.generator
    if not isinstance(generator, HarmonicVocos):
        return None
    within = {"low": generator.low, "high": generator.high, "centred": generator.centred}
    return pitch(samples, num_samples, sample_rate=generator.sample_rate, hop=generator.hop, **within)
