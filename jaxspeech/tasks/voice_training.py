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
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.tasks.branches import branch
from jaxspeech.tasks.speech import SpeechModel, SpokenText, listen
from jaxspeech.types import Key, Phase, RowLosses, Variables

SPEECH, VOCODER = "speech", "vocoder"


@dataclass(frozen=True)
class VoiceTraining:
    """The section `training`, which a voice has that is trained as a whole.

    Attributes:
      segment: mel frames of each segment on which the vocoder is trained.
      made: share of the segments whose frames the text-to-mel model makes.
    """

    segment: int = 32
    made: float = 0.5

    def __post_init__(self) -> None:
        if self.segment < 1 or not 0 <= self.made <= 1:
            raise ConfigError(
                f"model.training: segment {self.segment} must be at least 1, and made {self.made} from 0 to 1"
            )


class Segments(NamedTuple):
    """Segments of recordings, and the mel frames to make them of; zero beyond each row's end.

    Attributes:
      index: of each row's example.
      samples, num_samples: of the recording, in whole frames.
      mel, num_frames: of the same time.
    """

    index: Int[Any, " B"]
    samples: Float[Any, "B S"]
    num_samples: Int[Any, " B"]
    mel: Float[Any, "B T F"]
    num_frames: Int[Any, " B"]


def voice_phases(speech: Any, vocoder: Any, options: VoiceTraining) -> tuple[Phase[SpokenText], ...]:
    """Returns the phases of the vocoder and of the text-to-mel model, on a batch of recordings with texts.

    Args:
      speech, vocoder: the tasks of both models.
      options: the section `training`.
    """
    cut = segments_of(speech.model, options)
    phases = [_of_vocoder(phase, cut) for phase in vocoder.phases]
    return (*phases, *(_of_speech(phase) for phase in speech.phases))


def segments_of(model: SpeechModel, options: VoiceTraining) -> Callable[[Variables, SpokenText], Segments]:
    """Returns the function that cuts segments: (variables of the voice, batch) -> Segments.

    Args:
      model: the text-to-mel model.
      options: the section `training`.
    """
    apply: Any = model.apply
    hop, _ = model.frontend.hop_and_fft

    def cut(variables: Variables, batch: SpokenText) -> Segments:
        # Which examples are together differs in every epoch. The phases of a step have different keys, but must cut the
        # same, so that XLA computes all of this and the vocoder's forward pass once.
        index = jnp.asarray(batch.index).astype(jnp.uint32)
        mixed = jnp.sum((index + 1) * (2 * jnp.arange(index.shape[0], dtype=jnp.uint32) + 1))
        place_key, choice_key = jax.random.split(jax.random.fold_in(jax.random.key(0), mixed))
        own = {name: tree for name, tree in branch(variables, SPEECH).items() if name != "schedule"}
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
        return Segments(batch.index, sound, left * hop, mel, left)

    return cut


def _of_vocoder(phase: Phase[Any], cut: Callable[[Variables, SpokenText], Segments]) -> Phase[SpokenText]:
    def loss(variables: Variables, batch: SpokenText, key: Key) -> tuple[RowLosses, Variables]:
        losses, updates = phase.loss(branch(variables, VOCODER), cut(variables, batch), key)
        return losses, _nested(variables, updates, VOCODER)

    return Phase(loss, f"^{VOCODER}/{phase.trains.removeprefix('^')}", phase.name)


def _of_speech(phase: Phase[SpokenText]) -> Phase[SpokenText]:
    def loss(variables: Variables, batch: SpokenText, key: Key) -> tuple[RowLosses, Variables]:
        losses, updates = phase.loss(branch(variables, SPEECH), batch, key)
        return losses, _nested(variables, updates, SPEECH)

    return Phase(loss, f"^{SPEECH}/{phase.trains.removeprefix('^')}", SPEECH)


def _nested(variables: Variables, updates: Variables, key: str) -> Variables:
    """The collections of the voice with those of one of its models changed."""
    return {name: {**variables.get(name, {}), key: tree} for name, tree in updates.items()}
