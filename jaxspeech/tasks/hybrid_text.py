"""Recognition trained on text: a frozen text-to-mel model speaks lines of text inside the training step.

mel(line)    = frames(durations(symbols, speaker, pace))    of the generator, whose frames are the recogniser's own
mel(audio)   = the recogniser's frontend, before it normalises
loss         = the recogniser's, of normalise(mel) with its SpecAugment

A batch mixes both in any share: a row has either symbols or samples (Bataev et al., 2023, "Text-only domain adaptation
for end-to-end ASR using integrated text-to-mel-spectrogram generator"). No gradient enters the generator, so it costs a
forward pass over the rows of text. On a CPU it is computed a few rows at a time, and not at all for rows of audio.
"""

from collections import namedtuple
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.features.mel import MelSpectrogram
from jaxspeech.gathering import in_branch
from jaxspeech.nn.normalization import BatchNorm
from jaxspeech.tasks.branches import branch, with_branch
from jaxspeech.tasks.kinds import Recognition, Speaking, Synthesis
from jaxspeech.tasks.parts import Kind
from jaxspeech.tasks.spoken_frames import Lines, recorded, speak_lines
from jaxspeech.tasks.task import Task
from jaxspeech.tasks.voice import MEANING, mel_setting
from jaxspeech.types import Key, Phase, RowLosses, Variables

RECOGNIZER, GENERATOR = "recognizer", "generator"
# The fields that a batch has besides those of the recogniser's. An evaluation set of recordings has none of them.
SPOKEN = ("symbols", "num_symbols", "speaker", "pace")


class HybridTextModel(nn.Module):
    """A recogniser, and the text-to-mel model that speaks to it.

    Attributes:
      recognizer: the Task of any recogniser of mel frames.
      generator: the Task of a text-to-mel model with the same frames; or of a voice, whose sound is heard.
      fixed_statistics: batch norms use, and keep, their running statistics also in training: those of generated speech
        are not those of recordings.
    """

    recognizer: Any
    generator: Any
    fixed_statistics: bool = True

    def features(
        self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"]
    ) -> tuple[Float[Array, "B T F"], Int[Array, " B"]]:
        """Computes the recogniser's frames of recordings."""
        return self.recognizer.model.apply({}, samples, num_samples, method="features")


def hybrid_text_task(model: HybridTextModel) -> Task:
    """Returns the task of `model`: it trains the recogniser alone.

    Raises:
      ConfigError: the models are of other kinds, or the frames of one are not those of the other.
    """
    recognizer = model.recognizer
    check_frames(recognizer, model.generator.inference)

    def init(key: Key) -> Variables:
        keys = dict(zip((RECOGNIZER, GENERATOR), jax.random.split(key), strict=True))
        variables = with_branch({}, RECOGNIZER, recognizer.init(keys[RECOGNIZER]))
        return with_branch(variables, GENERATOR, model.generator.init(keys[GENERATOR]))

    def loss(variables: Variables, batch: Any, key: Key) -> tuple[RowLosses, Variables]:
        key, dither_key = jax.random.split(key)
        heard, own = as_heard(model, variables, batch, key=dither_key), branch(variables, RECOGNIZER)
        keeping = _keep_statistics if model.fixed_statistics else _as_they_are
        with in_branch(RECOGNIZER), nn.intercept_methods(keeping):
            rows, updates = recognizer.phases[0].loss(own, heard, key)
        return rows, {name: {**variables[name], RECOGNIZER: tree} for name, tree in updates.items()}

    def predict(variables: Variables, batch: Any) -> Any:
        return recognizer.predict(branch(variables, RECOGNIZER), as_heard(model, variables, batch))

    return Task(
        model=model,
        batch=mixed_batch(recognizer.batch),
        init=init,
        phases=(Phase(loss, trains=f"^{RECOGNIZER}/"),),
        predict=predict,
        seconds=recognizer.seconds,  # of recordings
        inference=of_branch(recognizer.inference, RECOGNIZER),
        capacity=recognizer.capacity,
    )


def as_heard(model: HybridTextModel, variables: Variables, batch: Any, *, key: Key | None = None) -> Any:
    """Returns the recogniser's batch: of recordings as they are, or of frames if there may be lines among its rows.

    Args:
      model: both models.
      variables: of both.
      batch: as `mixed_batch` makes its type.
      key: of the frontend's noise in training; None: without noise.
    """
    recognizer, generator = model.recognizer, model.generator.inference
    given = recognizer.batch(*(getattr(batch, name) for name in recognizer.batch._fields))
    if batch.symbols is None:
        return given
    lines, frontend = Lines(*(jnp.asarray(getattr(batch, name)) for name in SPOKEN)), recognizer.model.frontend
    frames, num_frames = recorded(frontend, batch.samples, batch.num_samples, key)
    is_line = lines.num_symbols > 0
    spoken, num_spoken = speak_lines(generator, frontend, branch(variables, GENERATOR), lines, frames.shape[1])
    spoken = jnp.tile(spoken, (1, 1, frontend.frame_splicing))
    frames = jnp.where(is_line[:, None, None], spoken, frames)
    return given._replace(samples=frames, num_samples=jnp.where(is_line, num_spoken, num_frames))


def mixed_batch(batch: type) -> type:
    """Returns the type of a recogniser's batch with the fields SPOKEN, which may be left out."""
    defaults: dict[str, Any] = {**batch._field_defaults, **dict.fromkeys(SPOKEN)}
    return namedtuple(f"{batch.__name__}OrLines", (*batch._fields, *SPOKEN), defaults=defaults.values())


def check_frames(recognizer: Task, generator: Any) -> None:
    """Checks that a generator speaks to a recogniser in its own frames.

    Raises:
      ConfigError: names the settings that differ.
    """
    if not isinstance(recognizer.inference, Recognition):
        raise ConfigError("model.recognizer is no recogniser, whose loss text could teach something")
    if not isinstance(generator, Synthesis | Speaking):
        raise ConfigError("model.generator is no text-to-mel model, and no voice")
    frontend = getattr(recognizer.model, "frontend", None)
    if not isinstance(frontend, MelSpectrogram):
        raise ConfigError('model.recognizer has no features "mel", in which a generator could speak to it')
    synthesis = generator.synthesis if isinstance(generator, Speaking) else generator
    if isinstance(generator, Speaking):
        if synthesis.sample_rate != frontend.sample_rate:
            rates = f"{synthesis.sample_rate} samples a second, the recogniser hears {frontend.sample_rate}"
            raise ConfigError(f"the voice makes {rates}: its sound needs the same")
        return
    names = [name for name in MEANING if name not in ("normalize", "frame_splicing")]
    values = {name: (mel_setting(synthesis.mel, name), mel_setting(frontend, name)) for name in names}
    values["hop"] = synthesis.hop, frontend.hop_and_fft[0]
    if wrong := [f"{name} {theirs} for {ours}" for name, (theirs, ours) in values.items() if theirs != ours]:
        raise ConfigError(
            f"the mel frames of the generator are not the recogniser's ({', '.join(wrong)}): train a generator with "
            "the features of the recogniser"
        )


def of_branch(inference: Recognition, name: str) -> Recognition:
    """Returns the functions of a recogniser that take the variables of the whole of which it is a branch."""

    def taking(function: Any) -> Any:
        if function is None:
            return None
        return lambda variables, *args, **options: function(branch(variables, name), *args, **options)

    incremental, prompts = inference.incremental, inference.prompts
    return inference._replace(
        encode=taking(inference.encode),
        decode=taking(inference.decode),
        log_probs=taking(inference.log_probs),
        decode_best=taking(inference.decode_best),
        incremental=incremental
        and incremental._replace(start=taking(incremental.start), step=taking(incremental.step)),
        prompts=prompts and prompts._replace(complete=taking(prompts.complete), attend=taking(prompts.attend)),
    )


def _keep_statistics(function: Any, args: Any, options: Any, context: Any) -> Any:
    """Has batch norms normalise as in inference."""
    still = isinstance(context.module, BatchNorm) and context.method_name == "__call__"
    return function(*args, **(options | {"train": False} if still else options))


def _as_they_are(function: Any, args: Any, options: Any, context: Any) -> Any:
    del context
    return function(*args, **options)


HYBRID_TEXT = Kind(
    HybridTextModel,
    hybrid_text_task,
    {},
    values={"fixed_statistics": None},
    models={RECOGNIZER: "recognizer", GENERATOR: "generator"},
)
