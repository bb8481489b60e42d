"""Vocoder: mel frames -> generator -> samples; trained against discriminators of waveforms.

    mel = features(samples)
    phase "discriminator":  D(real), D(G(mel))
    phase "generator":      D(G(mel)), and the distance of mel' and mel'(G(mel))          (tasks/vocoder_training.py)

mel' has the whole range of frequencies (HiFi-GAN, Kong et al., 2020; NeMo 3.0.0: tts/models/hifigan.py).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.harmonic_vocos import HarmonicVocos
from jaxspeech.decoders.hifigan import HiFiGAN
from jaxspeech.decoders.vocos import Vocos
from jaxspeech.features.mel import MelSpectrogram
from jaxspeech.history import HISTORY
from jaxspeech.tasks.branches import without_parts
from jaxspeech.tasks.discriminators import DISCRIMINATORS, NoDiscriminators
from jaxspeech.tasks.kinds import IncrementalVocoding, Vocoding
from jaxspeech.tasks.parts import Kind, Part
from jaxspeech.tasks.task import Task
from jaxspeech.tasks.vocoder_loss import VocoderLoss
from jaxspeech.tasks.vocoder_model import VocoderModel, whole_frames
from jaxspeech.tasks.vocoder_training import DISCRIMINATOR, GENERATOR, discriminator_losses, generator_losses
from jaxspeech.tasks.waveforms import Waveforms
from jaxspeech.types import Key, Phase, RowLosses, Size, Variables


class MadeAgain(NamedTuple):
    """Recordings that were made again from their mel frames.

    Attributes:
      samples: whole frames of them, zero beyond.
      num_samples: of each row.
      mel_distance: mean magnitude of the differences of the compared mels.
    """

    samples: Float[Array, "B S"]
    num_samples: Int[Array, " B"]
    mel_distance: Float[Array, " B"]


def vocoder_task(model: VocoderModel) -> Task[Waveforms, MadeAgain, Vocoding]:
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

    def predict(variables: Variables, batch: Waveforms) -> MadeAgain:
        real = whole_frames(model, batch.samples, batch.num_samples)
        made = vocode(variables, real.mel, real.num_frames)
        return MadeAgain(made, real.num_samples, model.mel_distance(made, real.samples, real.num_samples))

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


VOCODER = Kind(
    VocoderModel,
    vocoder_task,
    {
        "features": Part("frontend", {"mel": MelSpectrogram}),
        "generator": Part("generator", {"hifigan": HiFiGAN, "vocos": Vocos, "harmonic_vocos": HarmonicVocos}),
        "discriminators": Part("discriminators", DISCRIMINATORS),
    },
    {"loss": VocoderLoss},
)
