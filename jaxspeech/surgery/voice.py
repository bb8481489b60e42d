"""Joins a text-to-mel model and a vocoder to one voice, and separates them again."""

import os
from typing import Any

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.tasks.branches import branch, with_branch
from jaxspeech.tasks.kinds import Speaking, Synthesis, Vocoding
from jaxspeech.tasks.voice import SPEECH, VOCODER


def join_voice(speech: Archive, vocoder: Archive) -> Archive:
    """Returns the voice of two models.

    Args:
      speech: a text-to-mel model, with its assets; of a voice, that part.
      vocoder: a vocoder, of which the variables for training alone are left out; of a voice, that part.

    Raises:
      ConfigError: they are other models, or the vocoder takes other mel frames.
    """
    speech, vocoder = _part(speech, SPEECH), _part(vocoder, VOCODER)
    model = {"task": "voice", SPEECH: speech.model, VOCODER: vocoder.model}
    variables = with_branch(with_branch({}, SPEECH, speech.variables), VOCODER, vocoder.variables)
    return Archive(
        model, speech.assets, build(model).used(variables), {SPEECH: speech.metadata, VOCODER: vocoder.metadata}
    )


def split_voice(voice: Archive) -> tuple[Archive, Archive]:
    """Returns the text-to-mel model and the vocoder of a voice; the latter has the parameters for speaking alone.

    Raises:
      ConfigError: it is not a voice.
    """
    if voice.model.get("task") != "voice":
        raise ConfigError(f"this model's task is {voice.model.get('task')!r}: only a voice has two parts")
    return _part(voice, SPEECH), _part(voice, VOCODER)


def join_files(speech: Archive, vocoder: str | os.PathLike[str] | Archive, *, dtype: str | None = None) -> Archive:
    """Returns the voice of a text-to-mel model and a vocoder, which is read as `loading.read_archive` does.

    Raises:
      SpeechError: it cannot be read, or as in `join_voice`.
    """
    from jaxspeech.loading import read_archive  # which imports all pipelines

    if isinstance(vocoder, Archive):
        return join_voice(speech, vocoder)
    try:
        return join_voice(speech, read_archive(vocoder, dtype=dtype))
    except ConfigError as error:
        raise ConfigError(f"{vocoder}: {error}") from error


def _part(archive: Archive, key: str) -> Archive:
    """The archive itself if it is a model of this kind, or that part of a voice."""
    inference: Any = build(archive.model).inference
    if isinstance(inference, Speaking):
        variables = branch(archive.variables, key)
        assets = archive.assets if key == SPEECH else {}
        return Archive(archive.model[key], assets, variables, dict(archive.metadata.get(key) or {}))
    kind, noun = (Synthesis, "a text-to-mel model") if key == SPEECH else (Vocoding, "a vocoder")
    if not isinstance(inference, kind):
        raise ConfigError(f"this model's task is {archive.model['task']!r}: it is not {noun}")
    return archive
