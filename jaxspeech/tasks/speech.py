"""Text to mel frames: FastPitch with its aligner, in one loss; the two programs of synthesis.

    text, recording -> mel, alignment -> path -> durations, pitch and energy -> mel frames -> losses
    text -> durations | -> mel frames                                  two programs, between which the host reads a size

Each term is a mean over the row's own frames or symbols, so that a row's loss does not depend on its batch. The frames,
the prior, the alignment, the hard path, and the targets of duration, pitch and energy are all computed in the step.
NeMo (tts/models/fastpitch.py) averages over the batch, and lets w grow with epochs, which last long on large data.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxspeech.encoders.fastpitch import FastPitch
from jaxspeech.encoders.fft_stack import FFTStack
from jaxspeech.encoders.speakers import Speakers
from jaxspeech.encoders.style_tokens import StyleTokens
from jaxspeech.encoders.taught import Taught
from jaxspeech.features.energy import frame_energy
from jaxspeech.features.mel import MelSpectrogram
from jaxspeech.features.prior import beta_binomial_prior
from jaxspeech.nn.aligner import Aligner
from jaxspeech.nn.temporal_predictor import TemporalPredictor
from jaxspeech.search.monotonic import monotonic_path
from jaxspeech.tasks.kinds import Synthesis, Timing
from jaxspeech.tasks.parts import Kind, Part
from jaxspeech.tasks.speech_losses import SpeechLoss, speech_losses, weighted
from jaxspeech.tasks.task import Task
from jaxspeech.tasks.train_apply import train_apply
from jaxspeech.types import Capacity, Extents, Key, Phase, RowLosses, Size, Variables

# The collection of the number of updates, by which the weight of the binarization loss grows.
SCHEDULE = "schedule"
ADVICE = "cut long texts, or use a smaller hop or fewer symbols a word"


class SpokenText(NamedTuple):
    """A padded batch of recordings with their texts.

    Attributes:
      index: each row's place in the dataset; -1 marks a filler row, which counts nowhere.
      text: ids of symbols.
      num_symbols: real symbols of each row.
      samples: at the model's sample rate, in [-1, 1].
      num_samples: real samples of each row.
      pitch: of each mel frame, normalised; 0 where there is no voice.
      speaker: number of the speaker; 0 in a model of one voice.
    """

    index: Int[Any, " B"]
    text: Int[Any, "B N"]
    num_symbols: Int[Any, " B"]
    samples: Float[Any, "B S"]
    num_samples: Int[Any, " B"]
    pitch: Float[Any, "B T"]
    speaker: Int[Any, " B"]


class SpokenMel(NamedTuple):
    """What the model says for the texts of recordings, and what it finds in these.

    Attributes:
      mel: predicted frames, with predicted durations; cut where they are more than 3/2 of what the longest recording
        has.
      num_frames: of each row of `mel`.
      durations: predicted frames of each symbol.
      pitch: predicted, of each symbol, normalised.
      num_symbols: of each row.
      target: the recordings' own mel frames.
      num_target: of each row of `target`.
      aligned: frames of each symbol in the recording.
      alignment: probability of each symbol at each frame of `target`.
    """

    mel: Float[Array, "B T_out F"]
    num_frames: Int[Array, " B"]
    durations: Int[Array, "B N"]
    pitch: Float[Array, "B N"]
    num_symbols: Int[Array, " B"]
    target: Float[Array, "B T F"]
    num_target: Int[Array, " B"]
    aligned: Int[Array, "B N"]
    alignment: Float[Array, "B T N"]


class SpeechModel(FastPitch):
    """FastPitch with the weights of its loss.

    Attributes:
      loss: the section `loss`.
    """

    loss: SpeechLoss = SpeechLoss()


def listen(model: FastPitch, batch: SpokenText, *, train: bool = False) -> tuple[Taught, Array, Array]:
    """Computes the model's outputs for a batch, the mel frames of its recordings, and the number of these."""
    samples, num_samples = jnp.asarray(batch.samples), jnp.asarray(batch.num_samples)
    mel, num_frames = model.features(samples, num_samples, train=train)
    energy = None
    if model.energy is not None:
        hop, fft = model.frontend.hop_and_fft
        energy = frame_energy(samples, num_samples, fft_size=fft, hop=hop)
    text, num_symbols = jnp.asarray(batch.text), jnp.asarray(batch.num_symbols)
    prior = beta_binomial_prior(num_frames, num_symbols, mel.shape[1], text.shape[1])
    recordings = mel, num_frames, batch.pitch, energy, batch.speaker
    taught = model.teach(text, num_symbols, *recordings, prior, search=monotonic_path, train=train)
    return taught, mel, num_frames


def speech_task(model: SpeechModel) -> Task[SpokenText, SpokenMel, Synthesis]:
    """Returns the task of `model`: pure functions that initialise, train and run it."""
    apply: Any = model.apply
    hop, _ = model.frontend.hop_and_fft
    weights, sample_rate = model.loss, model.frontend.sample_rate

    def init(key: Key) -> Variables:
        frames, two = 4, jnp.full(1, 2)
        batch = SpokenText(
            index=jnp.zeros(1, jnp.int32),
            text=jnp.zeros((1, 2), jnp.int32),
            num_symbols=two,
            samples=jnp.zeros((1, frames * hop)),
            num_samples=jnp.full(1, frames * hop),
            pitch=jnp.zeros((1, frames)),
            speaker=jnp.zeros(1, jnp.int32),
        )
        variables = dict(model.init(key, batch, method=listen))
        if weights.binarization_warmup:
            variables[SCHEDULE] = {"updates": jnp.zeros((), jnp.int32)}
        return variables

    def loss(variables: Variables, batch: SpokenText, key: Key) -> tuple[RowLosses, Variables]:
        schedule = variables.get(SCHEDULE)
        rest = {name: tree for name, tree in variables.items() if name != SCHEDULE}
        (taught, mel, num_frames), updates = train_apply(model, rest, key, batch, method=listen)
        share: Any = 1.0
        if schedule is not None:
            share = jnp.minimum(schedule["updates"] / max(weights.binarization_warmup, 1), 1.0)
            updates = {**updates, SCHEDULE: {"updates": schedule["updates"] + 1}}
        terms = speech_losses(taught, mel, num_frames, jnp.asarray(batch.num_symbols))
        total = weighted(terms, weights, share)
        # Where there are fewer frames than symbols, nothing can be learnt: the forward-sum loss is infinite.
        return RowLosses(total, jnp.ones_like(total), terms), updates

    def predict(variables: Variables, batch: SpokenText) -> SpokenMel:
        def run(model: FastPitch) -> SpokenMel:
            taught, target, num_target = listen(model, batch)
            num_symbols = jnp.asarray(batch.num_symbols)
            voice = model.voice(batch.speaker, target, num_target)
            spelt = model.spell(batch.text, num_symbols, voice)
            durations = model.frames_of(spelt.log_durations, num_symbols, 1.0)
            size = target.shape[1] + target.shape[1] // 2
            mel = model.decode(spelt.hidden, durations, voice, size)
            num_frames = jnp.minimum(durations.sum(1), size)
            return SpokenMel(
                mel=mel,
                num_frames=num_frames,
                durations=durations,
                pitch=spelt.pitch,
                num_symbols=num_symbols,
                target=target,
                num_target=num_target,
                aligned=taught.durations,
                alignment=jnp.exp(taught.alignment.log_probs),
            )

        return apply(variables, method=run)

    return Task(
        model=model,
        batch=SpokenText,
        init=init,
        phases=(Phase(loss),),
        predict=predict,
        seconds=lambda batch: batch.num_samples / sample_rate,
        inference=Synthesis(
            sample_rate=sample_rate,
            hop=hop,
            mel=model.frontend,
            vocab_size=model.vocab_size,
            num_speakers=model.speakers.number if model.speakers is not None else 0,
            durations=partial(_durations, apply),
            frames=partial(_frames, apply),
            styled=model.style is not None,
        ),
        capacity=Capacity(partial(_measure, hop), "mel frames", ADVICE),
    )


def _durations(
    apply: Callable[..., Any],
    variables: Variables,
    text: Int[Any, "B N"],
    num_symbols: Int[Any, " B"],
    speaker: Int[Any, " B"],
    pace: Any = 1.0,
    pitch_shift: Any = 0.0,
    style: tuple[Any, Any] | None = None,
) -> Timing:
    """The first program of synthesis; `style` is a recording, (samples [B S], num_samples [B]), to speak like."""

    def run(model: FastPitch) -> Timing:
        voice = model.voice(speaker, *(() if style is None else model.features(*style)))
        spelt = model.spell(text, num_symbols, voice, pitch_shift=pitch_shift)
        durations = model.frames_of(spelt.log_durations, num_symbols, pace)
        return Timing(durations, {"symbols": spelt.hidden, "pitch": spelt.pitch, "voice": voice})

    return apply(variables, method=run)


def _frames(apply: Callable[..., Any], variables: Variables, timing: Timing, size: Size) -> Float[Array, "B T F"]:
    """The second program of synthesis: `size` frames of each row."""
    hidden = timing.hidden
    return apply(variables, hidden["symbols"], timing.durations, hidden["voice"], size, method="decode")


def _measure(hop: int, known: Extents) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " N"]]:
    return known.lengths["text"], known.lengths["samples"] // hop


PREDICTOR = {"convolutions": TemporalPredictor}
SPEECH = Kind(
    SpeechModel,
    speech_task,
    {
        "features": Part("frontend", {"mel": MelSpectrogram}),
        "encoder": Part("encoder", {"fft": FFTStack}),
        "decoder": Part("decoder", {"fft": FFTStack}),
        "duration": Part("duration", PREDICTOR),
        "pitch": Part("pitch", PREDICTOR),
        "aligner": Part("aligner", {"distances": Aligner}),
    },
    {"energy": TemporalPredictor, "speakers": Speakers, "style": StyleTokens, "loss": SpeechLoss},
    {
        **dict.fromkeys(("vocab_size", "pitch_kernel", "energy_kernel", "least_duration", "most_duration")),
        **dict.fromkeys(("log_energy", "pitch_mean", "pitch_std")),
    },
)
