"""What is asked of a model that answers: texts with recordings among them, and how they become prompts."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxspeech.errors import AudioError, ConfigError, SpeechError
from jaxspeech.inference.answer_programs import Prompt
from jaxspeech.inference.inputs import Recording, find_recordings
from jaxspeech.text.chat import AUDIO_TAG
from jaxspeech.text.chat_prompts import ChatPrompts
from jaxspeech.text.turns import USER, Turn

# The field of a manifest's line with a question of its own, or several, of which the first is asked; as in NeMo.
FIELD = "context"


class Question(NamedTuple):
    """One question, whose recordings are not read yet.

    Attributes:
      source: its name in results and errors.
      text: in which "<audio>" stands for each recording; where it stands for none, they follow the text.
      recordings: in their order.
    """

    source: str
    text: str
    recordings: tuple[Recording, ...] = ()


def find_questions(asked: Any, inputs: Any = None) -> Iterator[Question]:
    """Yields the questions of a call.

    Args:
      asked: with `inputs`: the question about each of the recordings, or None: each line of their manifests has one.
        Without: an iterable of questions, each a text or a tuple of a text and recordings.
      inputs: recordings as everywhere (`inputs.find_recordings`), or None.

    Raises:
      ConfigError: it is nothing of these.
    """
    if inputs is not None:
        if asked is not None and not isinstance(asked, str):
            raise ConfigError(f"the question is {asked!r}; about recordings it is one text")
        yield from (about(recording, asked) for recording in find_recordings(inputs))
        return
    if isinstance(asked, str) or not isinstance(asked, Iterable):
        raise ConfigError("which recordings? give ask_iter(question, recordings), or [(question, recording), ...]")
    for number, item in enumerate(asked):
        text, *audio = item if isinstance(item, tuple) and item else (item,)
        yield question(text, audio, source=f"question {number}")


def question(text: Any, audio: Sequence[Any] = (), *, source: str = "the question") -> Question:
    """Makes a question of a text and its recordings; its name is that of the first of them.

    Raises:
      ConfigError: the text is none.
    """
    if not isinstance(text, str):
        raise ConfigError(f"{source} is {text!r}; it is a text, with its recordings after it")
    recordings = tuple(find_recordings(audio))
    return Question(recordings[0].source if recordings else source, text, recordings)


def about(recording: Recording, asked: str | None, *, otherwise: str | None = None) -> Question:
    """The question about a recording: the one that is asked, that of its manifest's line, or else `otherwise`.

    Without any, the recording has a `problem`.
    """
    own = recording.fields.get(FIELD, otherwise) if asked is None else asked
    own = own[0] if isinstance(own, list) and own else own
    if not isinstance(own, str) and not recording.problem:
        problem = f'{recording.source}: there is no question: give one, or a "{FIELD}" in each line of a manifest'
        recording = recording._replace(problem=problem)
    # A line of a manifest may have a question and no audio.
    alone = recording.audio is None and not recording.problem
    return Question(recording.source, own if isinstance(own, str) else "", () if alone else (recording,))


def turn_of(text: str, num_audios: int, prompts: ChatPrompts) -> Turn:
    """The user's turn of a question.

    Args:
      text: of the question.
      num_audios: how many recordings come with it.
      prompts: of the model.

    Raises:
      ConfigError: the question is empty, or speaks of more or fewer recordings than come with it.
    """
    if not text.strip():
        raise ConfigError("the question is empty")
    places = prompts.chat.count_audios([Turn(USER, text)])
    if num_audios and not places:
        return Turn(USER, " ".join([text.rstrip(), *[AUDIO_TAG] * num_audios]))
    if places != num_audios:
        raise ConfigError(
            f"the question has {AUDIO_TAG} {counted(places, 'time')}, and comes with {counted(num_audios, 'recording')}"
        )
    return Turn(USER, text)


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 recording", "2 recordings"."""
    return f"{number} {noun}" + ("s" if number != 1 else "")


def prompt_of(
    turns: Sequence[Turn],
    audio: Sequence[np.ndarray],
    prompts: ChatPrompts,
    frames: Callable[[Any], Any],
    *,
    names: Sequence[str],
    thinking: bool = True,
) -> Prompt:
    """Encodes turns with their audio.

    Args:
      turns, audio: of the conversation so far.
      prompts: of the model.
      frames: numbers of samples [N] -> numbers of places [N].
      names: of the audios, for errors.
      thinking: see `ChatPrompts`.

    Raises:
      SpeechError: there are more or fewer audios than places for them, an audio is too short, or the prompt too long.
    """
    counts = frames(np.array([len(samples) for samples in audio], np.int32)).tolist() if audio else []
    for name, count in zip(names, counts, strict=True):
        if not count:
            raise AudioError(f"{name}: there is too little audio in it to hear anything")
    ids = prompts(turns, counts, thinking=thinking)
    return Prompt(ids.tolist(), tuple(audio), tuple(counts))


def first_error(audio: Sequence[np.ndarray | SpeechError]) -> SpeechError | None:
    """The error of the first audio that could not be read."""
    return next((samples for samples in audio if isinstance(samples, SpeechError)), None)
