"""A voice: text -> durations -> mel frames -> samples, by a text-to-mel model and the vocoder of its frames.

    {"task": "voice", "speech": {"task": "speech", ...}, "vocoder": {"task": "vocoder", ...}}

Each of the two is trained by itself, and `surgery.voice` joins them, or both together, see `tasks.voice_training`. The
variables of a voice are branches of theirs, as far as speaking needs them; of one that is trained, all of them.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
from jaxtyping import Array, Float

from jaxspeech.errors import ConfigError
from jaxspeech.tasks.branches import branch, with_branch
from jaxspeech.tasks.kinds import IncrementalVocoding, Speaking, Synthesis, Vocoding
from jaxspeech.tasks.parts import Kind
from jaxspeech.tasks.task import Task
from jaxspeech.tasks.voice_training import SPEECH, VOCODER, VoiceTraining, voice_phases
from jaxspeech.types import Key, Variables

# Fields of `features.mel.MelSpectrogram` that change what frames mean. The others change the edges of a recording, or
# whether near silence is log(x + guard) or log(max(x, guard)), in which published pairs of models differ.
MEANING = (
    *("sample_rate", "window", "window_seconds", "fft_size", "num_mels", "preemphasis", "normalize", "log"),
    *("log_guard_value", "mag_power", "low_hz", "high_hz", "mel_norm", "frame_splicing"),
)


class VoiceModel(nn.Module):
    """Holds the modules of both models, as `speech` and `vocoder`.

    Attributes:
      speech_task, vocoder_task: the tasks of both models.
      training: how both learn together; None for a voice that only speaks.
    """

    speech_task: Task
    vocoder_task: Task
    training: VoiceTraining | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for key, task, kind, noun in (
            (SPEECH, self.speech_task, Synthesis, "a text-to-mel model"),
            (VOCODER, self.vocoder_task, Vocoding, "a vocoder"),
        ):
            if not isinstance(task.inference, kind):
                raise ConfigError(f"model.{key} is no {noun.removeprefix('a ')}: its task must be that of {noun}")
        check_mels(self.speech_task.inference, self.vocoder_task.inference)

    def setup(self) -> None:
        self.speech = self.speech_task.model
        self.vocoder = self.vocoder_task.model


def check_mels(synthesis: Synthesis, vocoding: Vocoding) -> None:
    """Checks that a vocoder takes the frames that a text-to-mel model makes.

    Raises:
      ConfigError: it takes others; the message lists all that differs.
    """
    values = {name: (mel_setting(synthesis.mel, name), mel_setting(vocoding.mel, name)) for name in MEANING}
    values |= {name: (getattr(synthesis, name), getattr(vocoding, name)) for name in ("sample_rate", "hop")}
    different = [f"{name} {made} and {taken}" for name, (made, taken) in values.items() if made != taken]
    if different:
        raise ConfigError(
            f"the vocoder takes other mel frames than the text-to-mel model makes: {', '.join(different)}; train one "
            "of them on the frames of the other"
        )


def mel_setting(mel: Any, name: str) -> Any:
    """Returns the value of a field of MEANING, the same for all ways to say the same."""
    value = getattr(mel, name, None)
    if name == "high_hz":
        return float(value or mel.sample_rate / 2) if hasattr(mel, "sample_rate") else value
    if name == "fft_size" and hasattr(mel, "hop_and_fft"):
        return mel.hop_and_fft[1]
    if name == "window_seconds" and value is not None:
        return round(value * mel.sample_rate)
    return float(value or 0) if name == "preemphasis" else value


class SpokenSound(NamedTuple):
    """What a voice says for the texts of a batch of its text-to-mel model.

    Attributes:
      spoken: what the text-to-mel model predicts, among it `mel` and `num_frames`.
      samples: of these frames, zero beyond a row's.
    """

    spoken: Any
    samples: Float[Array, "B S"]


def voice_task(model: VoiceModel) -> Task[Any, SpokenSound, Speaking]:
    """Returns the task of a voice; it has no phases if it only speaks."""
    speech, vocoder = model.speech_task, model.vocoder_task
    speaking = Speaking(_of_branch(speech.inference), _vocoding_of_branch(vocoder.inference))

    def init(key: Key) -> Variables:
        speech_key, vocoder_key = jax.random.split(key)
        own = vocoder.init(vocoder_key)
        variables = with_branch(with_branch({}, SPEECH, speech.init(speech_key)), VOCODER, own)
        return used(variables) if model.training is None else variables

    def used(variables: Variables) -> Variables:
        spoken = with_branch({}, SPEECH, speech.used(branch(variables, SPEECH)))
        return with_branch(spoken, VOCODER, vocoder.used(branch(variables, VOCODER)))

    def predict(variables: Variables, batch: Any) -> SpokenSound:
        spoken = speech.predict(branch(variables, SPEECH), batch)
        return SpokenSound(spoken, speaking.vocoding.vocode(variables, spoken.mel, spoken.num_frames))

    return Task(
        model=model,
        batch=speech.batch,
        init=init,
        phases=() if model.training is None else voice_phases(speech, vocoder, model.training),
        predict=predict,
        seconds=speech.seconds,
        inference=speaking,
        capacity=speech.capacity,
        used=used,
    )


def _of_branch(synthesis: Synthesis) -> Synthesis:
    return synthesis._replace(
        durations=lambda variables, *rest: synthesis.durations(branch(variables, SPEECH), *rest),
        frames=lambda variables, *rest: synthesis.frames(branch(variables, SPEECH), *rest),
    )


def _vocoding_of_branch(vocoding: Vocoding) -> Vocoding:
    parts = vocoding.incremental
    if parts is not None:
        parts = IncrementalVocoding(
            delay=parts.delay,
            start=lambda variables, size, parts=parts: parts.start(branch(variables, VOCODER), size),
            step=lambda variables, *rest, parts=parts: parts.step(branch(variables, VOCODER), *rest),
        )
    return vocoding._replace(
        vocode=lambda variables, *rest: vocoding.vocode(branch(variables, VOCODER), *rest), incremental=parts
    )


VOICE = Kind(
    VoiceModel, voice_task, {}, {"training": VoiceTraining}, models={SPEECH: "speech_task", VOCODER: "vocoder_task"}
)
