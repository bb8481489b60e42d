"""Vocoder: mel frames -> generator -> samples; trained against discriminators of waveforms.

    mel = features(samples)
    phase "discriminator":  D(real), D(G(mel))                                         -> discriminator loss
    phase "generator":      D(G(mel)) -> generator loss + feature loss, and + 45 * mean |mel' - mel'(G(mel))|

mel' has the whole range of frequencies (HiFi-GAN, Kong et al., 2020; NeMo 3.0.0: tts/models/hifigan.py). The forward
pass of the generator is the same in both phases: XLA computes that of HiFi-GAN once in a step, that of Vocos twice.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.hifigan import HiFiGAN
from jaxspeech.decoders.vocos import Vocos
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.features.mel import MelSpectrogram
from jaxspeech.history import HISTORY
from jaxspeech.losses.adversarial import DISTANCES, discriminator_loss, feature_loss, generator_loss, row_means
from jaxspeech.masks import length_mask, zero_padding
from jaxspeech.tasks.branches import without_parts
from jaxspeech.tasks.discriminators import DISCRIMINATORS, AllSeen, NoDiscriminators
from jaxspeech.tasks.kinds import IncrementalVocoding, Vocoding
from jaxspeech.tasks.parts import Kind, Part
from jaxspeech.tasks.task import Task
from jaxspeech.types import Key, Phase, RowLosses, Size, Variables

# Added to the powers of the mels that are compared, before their root, as in NeMo.
POWER_GUARD = 1e-5
DISCRIMINATOR, GENERATOR = "^discriminators/", "^generator/"


class Waveforms(NamedTuple):
    """A padded batch of recordings.

    Attributes:
      index: each row's place in the dataset; -1 marks a filler row, which counts nowhere.
      samples: at the model's sample rate, in [-1, 1].
      num_samples: real samples of each row.
    """

    index: Int[Any, " B"]
    samples: Float[Any, "B S"]
    num_samples: Int[Any, " B"]


class Vocoded(NamedTuple):
    """Recordings that were made again from their mel frames.

    Attributes:
      samples: whole frames of them, zero beyond.
      num_samples: of each row.
      mel_distance: mean magnitude of the differences of the compared mels.
    """

    samples: Float[Array, "B S"]
    num_samples: Int[Array, " B"]
    mel_distance: Float[Array, " B"]


@dataclass(frozen=True)
class VocoderLoss:
    """The section `loss`.

    Attributes:
      distance: of the discriminators' scores: "squares" or "hinge".
      mel_weight: factor of the distance of the mels.
      adversarial_weight: factor of the generator's loss from the scores.
      feature_weight: factor of the feature loss, which is 2 by itself.
      resolutions: (size of the transform, hop, mel bands) of further mels, whose distances are averaged with that of
        the first.
    """

    distance: str = "squares"
    mel_weight: int | float = 45.0
    adversarial_weight: int | float = 1.0
    feature_weight: int | float = 1.0
    resolutions: tuple[tuple[int, int, int], ...] = ()

    def __post_init__(self) -> None:
        if self.distance not in DISTANCES:
            raise ConfigError(
                f"model.loss.distance cannot be {self.distance!r}{did_you_mean(self.distance, DISTANCES)}"
            )
        if min(self.mel_weight, self.adversarial_weight, self.feature_weight) < 0 or self.mel_weight == 0:
            raise ConfigError("model.loss: mel_weight must be positive, and no weight negative")


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


class Recordings(NamedTuple):
    """Real audio cut to whole frames, and its mel frames; zero beyond each row's end."""

    samples: Float[Array, "B S"]
    num_samples: Int[Array, " B"]
    mel: Float[Array, "B T F"]
    num_frames: Int[Array, " B"]


def whole_frames(model: VocoderModel, samples: Float[Any, "B S"], num_samples: Int[Any, " B"]) -> Recordings:
    """Cuts recordings to the frames that a generator makes of them."""
    hop = model.generator.hop
    samples, num_samples = jnp.asarray(samples, jnp.float32), jnp.asarray(num_samples)
    lengths = num_samples // hop * hop
    samples = zero_padding(samples[:, : samples.shape[1] // hop * hop], lengths)
    mel, num_frames = model.bind({}).features(samples, lengths)
    return Recordings(samples, lengths, mel, num_frames)


def scores_of(seen: AllSeen) -> list[tuple[Array, Array]]:
    """The scores of all discriminators, [B T], with their masks."""
    return [(one.layers[-1][..., 0], one.masks[-1]) for kind in seen.values() for one in kind]


def layers_of(seen: AllSeen) -> list[tuple[Array, Array]]:
    """The outputs of all layers of all discriminators, scores included, with their masks."""
    return [pair for kind in seen.values() for one in kind for pair in zip(one.layers, one.masks, strict=True)]


def discriminator_losses(
    model: VocoderModel, variables: Variables, real: Recordings, *, train: bool
) -> tuple[RowLosses, Variables]:
    """Computes the discriminators' losses of each row, and with `train` the new vectors of their spectral norms."""
    apply: Any = model.apply
    made = jax.lax.stop_gradient(apply(variables, real.mel, real.num_frames, method="vocode"))
    # Real and generated rows side by side: larger products, and one step of the spectral norms.
    both, lengths = jnp.concatenate([real.samples, made]), jnp.concatenate([real.num_samples] * 2)
    mutable = [name for name in variables if name != "params"] if train else []
    seen, updates = apply(variables, both, lengths, train=train, method="judge", mutable=mutable)
    count = made.shape[0]
    of_real, of_made = (_rows(seen, *part) for part in ((0, count), (count, 2 * count)))
    logged = {
        name: discriminator_loss(
            scores_of({name: of_real[name]}), scores_of({name: of_made[name]}), distance=model.loss.distance
        )
        for name in seen
    }
    return _row_losses(sum(logged.values(), jnp.zeros(count)), real, logged), dict(updates)


def generator_losses(model: VocoderModel, variables: Variables, real: Recordings, *, left_out: int = 0) -> RowLosses:
    """Computes the generator's losses of each row; `left_out` is as in `mel_distance`."""
    apply: Any = model.apply
    options = model.loss
    made = apply(variables, real.mel, real.num_frames, method="vocode")
    logged = {"mel": model.mel_distance(made, real.samples, real.num_samples, left_out)}
    losses = options.mel_weight * logged["mel"]
    if not isinstance(model.discriminators, NoDiscriminators):
        of_made = apply(variables, made, real.num_samples, method="judge")
        of_real = jax.lax.stop_gradient(apply(variables, real.samples, real.num_samples, method="judge"))
        logged["adversarial"] = generator_loss(scores_of(of_made), distance=options.distance)
        logged["features"] = feature_loss(layers_of(of_real), layers_of(of_made))
        losses += options.adversarial_weight * logged["adversarial"] + options.feature_weight * logged["features"]
    return _row_losses(losses, real, logged)


def _row_losses(losses: Float[Array, " B"], real: Recordings, logged: dict[str, Array]) -> RowLosses:
    # Nothing can be learned from a row without a frame.
    losses = jnp.where(real.num_frames > 0, losses, jnp.inf)
    return RowLosses(losses, real.num_frames.astype(jnp.float32), logged)


def vocoder_task(model: VocoderModel) -> Task[Waveforms, Vocoded, Vocoding]:
    """Returns the task of `model`: pure functions that initialise, train and run it."""
    apply: Any = model.apply
    rate = model.frontend.sample_rate
    adversarial = not isinstance(model.discriminators, NoDiscriminators)

    def init(key: Key) -> Variables:
        size = 2 * model.frontend.hop_and_fft[1]
        return dict(model.init(key, jnp.zeros((1, size)), jnp.array([size])))

    def vocode(variables: Variables, mel: Float[Any, "B T F"], num_frames: Int[Any, " B"]) -> Float[Array, "B S"]:
        return apply(variables, mel, jnp.asarray(num_frames), method="vocode")

    def discriminator(variables: Variables, batch: Waveforms, key: Key) -> tuple[RowLosses, Variables]:
        del key
        real = whole_frames(model, batch.samples, batch.num_samples)
        return discriminator_losses(model, variables, real, train=True)

    def generator(variables: Variables, batch: Waveforms, key: Key) -> tuple[RowLosses, Variables]:
        del key
        return generator_losses(model, variables, whole_frames(model, batch.samples, batch.num_samples)), {}

    def predict(variables: Variables, batch: Waveforms) -> Vocoded:
        real = whole_frames(model, batch.samples, batch.num_samples)
        made = vocode(variables, real.mel, real.num_frames)
        return Vocoded(made, real.num_samples, model.mel_distance(made, real.samples, real.num_samples))

    phases = (Phase(discriminator, DISCRIMINATOR, "discriminator"), Phase(generator, GENERATOR, "generator"))
    return Task(
        model=model,
        batch=Waveforms,
        init=init,
        phases=phases if adversarial else (Phase(generator, "", "generator"),),
        predict=predict,
        seconds=lambda batch: batch.num_samples / rate,
        inference=Vocoding(
            sample_rate=rate,
            hop=model.generator.hop,
            mel=model.frontend,
            vocode=vocode,
            incremental=incremental_vocoding(model),
        ),
        used=lambda variables: without_parts(variables, "discriminators"),
    )


def incremental_vocoding(model: VocoderModel) -> IncrementalVocoding:
    """Vocodes part by part: every convolution keeps the frames that it needs of the past, and nothing is done twice."""
    apply: Any = model.apply

    def run(variables: Variables, mel: Any, num_frames: Any, history: Any) -> tuple[Array, Any]:
        kept = {} if history is None else {HISTORY: history}
        samples, made = apply({**variables, **kept}, mel, num_frames, method="vocode", mutable=[HISTORY])
        return samples, made[HISTORY]

    def start(variables: Variables, batch_size: Size) -> Any:
        bands = model.frontend.num_mels
        part = jnp.zeros((batch_size, 1, bands)), jnp.zeros(batch_size, jnp.int32)
        _, history = jax.eval_shape(lambda mel, num_frames: run(variables, mel, num_frames, None), *part)
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), history)

    def step(variables: Variables, mel: Any, num_frames: Any, state: Any) -> tuple[Array, Any]:
        return run(variables, mel, jnp.asarray(num_frames), state)

    return IncrementalVocoding(model.generator.delay, start, step)


def _rows(seen: AllSeen, first: int, last: int) -> AllSeen:
    return {name: tuple(one.rows(first, last) for one in kind) for name, kind in seen.items()}


VOCODER = Kind(
    VocoderModel,
    vocoder_task,
    {
        "features": Part("frontend", {"mel": MelSpectrogram}),
        "generator": Part("generator", {"hifigan": HiFiGAN, "vocos": Vocos}),
        "discriminators": Part("discriminators", DISCRIMINATORS),
    },
    {"loss": VocoderLoss},
)
