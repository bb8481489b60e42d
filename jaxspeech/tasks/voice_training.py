"""The joint training of a voice: its text-to-mel model and its vocoder learn in the same steps.

    phases of the vocoder    on random segments of the recordings, from their mel frames or from those that the
                             text-to-mel model makes of the texts with the recordings' durations
    phase of the speech      on the whole recordings

Frames that are made are smoother than those of recordings; a vocoder that has never heard them rings. So some rows of
each batch have made frames, as in JETS (Lim et al., 2022), but without a gradient from the vocoder to the text-to-mel
model, so that each of the two is what it would be alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.harmonic_vocos import HarmonicVocos
from jaxspeech.encoders.fastpitch import as_long
from jaxspeech.errors import ConfigError
from jaxspeech.masks import zero_padding
from jaxspeech.tasks.branches import branch
from jaxspeech.tasks.discriminators import NoDiscriminators
from jaxspeech.tasks.speech import SCHEDULE, SpeechModel, SpokenText, listen
from jaxspeech.tasks.vocoder_model import Recordings, VocoderModel
from jaxspeech.tasks.vocoder_training import DISCRIMINATOR, GENERATOR, discriminator_losses, generator_losses
from jaxspeech.types import Key, Phase, RowLosses, Size, Variables

SPEECH, VOCODER = "speech", "vocoder"


@dataclass(frozen=True)
class VoiceTraining:
    """The section `training`, which a voice has that is trained as a whole.

    Attributes:
      segment: mel frames of each segment on which the vocoder is trained.
      made: share of the segments whose frames the text-to-mel model makes.
    """

    segment: int = 32
    made: int | float = 0.5

    def __post_init__(self) -> None:
        if self.segment < 1 or not 0 <= self.made <= 1:
            raise ConfigError(
                f"model.training: segment {self.segment} must be at least 1, and made {self.made} from 0 to 1"
            )


def voice_phases(speech: Any, vocoder: Any, options: VoiceTraining) -> tuple[Phase[SpokenText], ...]:
    """Returns the phases of the vocoder and of the text-to-mel model, on a batch of recordings with texts.

    Args:
      speech, vocoder: the tasks of both models.
      options: the section `training`.
    """
    cut = segments_of(speech.model, options, pitched=isinstance(vocoder.model.generator, HarmonicVocos))
    judging, making = _judging(vocoder.model, cut), _making(vocoder.model, cut)
    alone = isinstance(vocoder.model.discriminators, NoDiscriminators)
    return (*(() if alone else (judging,)), making, *(_of_speech(phase) for phase in speech.phases))


def segments_of(
    model: SpeechModel, options: VoiceTraining, *, pitched: bool = False
) -> Callable[[Variables, SpokenText], Recordings]:
    """Returns the function that cuts segments: (variables of the voice, batch) -> Recordings.

    Args:
      model: the text-to-mel model.
      options: the section `training`.
      pitched: whether the vocoder learns the pitch of the recordings.

    Raises:
      ConfigError: it does, and the model does not know by what its pitches are normalised.
    """
    if pitched and (model.pitch_mean is None or model.pitch_std is None):
        raise ConfigError("model.speech: a vocoder with a source needs pitch_mean and pitch_std")
    apply: Any = model.apply
    hop, _ = model.frontend.hop_and_fft

    def cut(variables: Variables, batch: SpokenText) -> Recordings:
        # Which examples are together differs in every epoch. The phases of a step have different keys, but must cut the
        # same, so that XLA can compute once what they share.
        index = jnp.asarray(batch.index).astype(jnp.uint32)
        mixed = jnp.sum((index + 1) * (2 * jnp.arange(index.shape[0], dtype=jnp.uint32) + 1))
        place_key, choice_key = jax.random.split(jax.random.fold_in(jax.random.key(0), mixed))
        own = {name: tree for name, tree in branch(variables, SPEECH).items() if name != SCHEDULE}
        taught, real, num_frames = apply(own, batch, method=listen)
        rows, size = real.shape[0], min(options.segment, real.shape[1])
        made = jax.random.uniform(choice_key, (rows,)) < options.made
        mel = jax.lax.stop_gradient(jnp.where(made[:, None, None], taught.mel, real))
        first = jax.random.uniform(place_key, (rows,)) * (jnp.maximum(num_frames - size, 0) + 1)
        first = jnp.minimum(first.astype(jnp.int32), jnp.maximum(num_frames - size, 0))
        samples = jnp.asarray(batch.samples, jnp.float32)
        mel = jax.vmap(lambda x, at: jax.lax.dynamic_slice_in_dim(x, at, size))(mel, first)
        sound = jax.vmap(lambda x, at: jax.lax.dynamic_slice_in_dim(x, at, size * hop))(samples, first * hop)
        left = jnp.clip(num_frames - first, 0, size)
        pitch = _pitch_in_hz(model, batch, real.shape[1], first, size) if pitched else None
        return Recordings(zero_padding(sound, left * hop), left * hop, zero_padding(mel, left), left, pitch)

    return cut


def _pitch_in_hz(
    model: SpeechModel, batch: SpokenText, num_frames: Size, first: Int[Array, " B"], size: Size
) -> Float[Array, "B T"]:
    """The pitch of the `size` frames after `first`, of `num_frames` in the batch; 0 where they are unvoiced."""
    pitch = as_long(batch.pitch, num_frames)
    pitch = jnp.where(pitch == 0, 0, jnp.maximum(pitch * model.pitch_std + model.pitch_mean, 0))
    return jax.vmap(lambda x, at: jax.lax.dynamic_slice_in_dim(x, at, size))(pitch, first)


def _judging(model: VocoderModel, cut: Callable[[Variables, SpokenText], Recordings]) -> Phase[SpokenText]:
    def loss(variables: Variables, batch: SpokenText, key: Key) -> tuple[RowLosses, Variables]:
        del key
        rows, updates = discriminator_losses(model, branch(variables, VOCODER), cut(variables, batch), train=True)
        return rows, _nested(variables, updates, VOCODER)

    return Phase(loss, f"^{VOCODER}/{DISCRIMINATOR.removeprefix('^')}", "discriminator")


def _making(model: VocoderModel, cut: Callable[[Variables, SpokenText], Recordings]) -> Phase[SpokenText]:
    def loss(variables: Variables, batch: SpokenText, key: Key) -> tuple[RowLosses, Variables]:
        del key
        return generator_losses(model, branch(variables, VOCODER), cut(variables, batch)), {}

    return Phase(loss, f"^{VOCODER}/{GENERATOR.removeprefix('^')}", "generator")


def _of_speech(phase: Phase[SpokenText]) -> Phase[SpokenText]:
    def loss(variables: Variables, batch: SpokenText, key: Key) -> tuple[RowLosses, Variables]:
        losses, updates = phase.loss(branch(variables, SPEECH), batch, key)
        return losses, _nested(variables, updates, SPEECH)

    return Phase(loss, f"^{SPEECH}/{phase.trains.removeprefix('^')}", SPEECH)


def _nested(variables: Variables, updates: Variables, key: str) -> Variables:
    """The collections of the voice with those of one of its models changed."""
    return {name: {**variables.get(name, {}), key: tree} for name, tree in updates.items()}
