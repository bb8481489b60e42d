"""Finds the recordings to process: files, folders, manifests, pipes, arrays, and mixtures of them."""

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from jaxspeech.errors import AudioError, ManifestError, as_speech_error
from jaxspeech.inference.folders import search
from jaxspeech.manifest_lines import (
    DAMAGE,
    HEAD_BYTES,
    as_utf8,
    check_layout,
    is_manifest,
    numbered_lines,
    parse_line,
    part_of,
)
from jaxspeech.search.ngram_graph import Graph

# The name for standard input.
PIPE = "-"


class Recording(NamedTuple):
    """One utterance to transcribe, not yet read.

    Attributes:
      source: its name in results and errors.
      audio: a path, an array of samples (see `audio.to_samples`), or `PIPE`.
      offset, duration: the part of the file to use, in seconds; None is to the end.
      text: its reference transcript, if any.
      fields: all fields of its manifest line.
      problem: one line that says why it cannot be read.
      channel: the channel to use, counted from 0; None: as the options say.
      prompt: token ids that say what is asked of a model with prompts.
      phrases: the tree of phrases that its search prefers instead of those of all recordings.
    """

    source: str
    audio: Any = None
    offset: float = 0.0
    duration: float | None = None
    text: str | None = None
    fields: Mapping[str, Any] = MappingProxyType({})
    problem: str = ""
    channel: int | None = None
    prompt: tuple[int, ...] = ()
    phrases: Graph | None = None


def find_recordings(inputs: Any) -> Iterator[Recording]:
    """Yields every recording that `inputs` names, in order, without reading audio.

    A path is a folder (see `folders.search`), a manifest (.jsonl, .json, .jsonl.gz), an audio file, or "-", which is
    standard input; anything with a shape is one recording's samples; an iterable holds any of these. An input that
    cannot be found or parsed, or is nothing of these, is yielded as a recording with a `problem`.
    """
    names = (f"array {i}" for i in range(1 << 62))
    yield from _find(inputs, names)


def find_recordings_with_text(inputs: Any, text: str | None = None) -> Iterator[Recording]:
    """Yields every recording that `inputs` names with its transcript; one without a text has a `problem`.

    Args:
      inputs: one recording, if `text` is given; if not, a manifest, or an iterable of (recording, text) pairs and
        manifests.
      text: the transcript of the one recording.
    """
    names = (f"array {i}" for i in range(1 << 62))
    if text is not None:
        found = _pair(inputs, text, names)
    elif isinstance(inputs, str | os.PathLike | Recording):
        found = _find(inputs, names)
    elif isinstance(inputs, Iterable) and not hasattr(inputs, "shape"):
        found = itertools.chain.from_iterable(
            _pair(*item, names) if isinstance(item, tuple) and len(item) == 2 else _find(item, names) for item in inputs
        )
    else:
        raise AudioError("there is no text to align: give align(recording, text), pairs of both, or a manifest")
    for recording in found:
        if recording.problem or (recording.text or "").strip():
            yield recording
        else:
            yield recording._replace(problem=f"{recording.source}: there is no text to align")


def _pair(audio: Any, text: Any, names: Iterator[str]) -> Iterator[Recording]:
    found = list(itertools.islice(_find(audio, names), 2))
    if len(found) > 1:
        yield Recording(str(audio), problem=f"{audio}: several recordings, but only one text")
    elif found and not isinstance(text, str):
        yield found[0]._replace(problem=f"{found[0].source}: the text is {text!r}, not a string")
    elif found:
        yield found[0]._replace(text=text)


def _find(inputs: Any, names: Iterator[str]) -> Iterator[Recording]:
    if isinstance(inputs, Recording):
        yield inputs
    elif isinstance(inputs, str | os.PathLike):
        yield from _find_named(os.fspath(inputs))
    elif hasattr(inputs, "shape"):
        yield Recording(next(names), inputs)
    elif isinstance(inputs, Iterable) and not isinstance(inputs, bytes | Mapping):
        for item in inputs:
            yield from _find(item, names)
    else:
        what = type(inputs).__name__
        yield Recording(what, problem=f"cannot transcribe {what}: give paths, folders, manifests or arrays of samples")


def _find_named(name: str | bytes) -> Iterator[Recording]:
    name = os.fsdecode(name)
    path = Path(name)
    if not name:
        yield Recording("", problem="the name of a recording is empty")
    elif name == PIPE:
        yield Recording(PIPE, PIPE)
    elif os.path.isdir(path):
        empty = True
        for found in search(path):
            empty = False
            yield Recording(str(found.path), found.path, problem=found.problem)
        if empty:
            yield Recording(str(path), problem=f"{path}: no audio files in this folder")
    elif is_manifest(name):
        yield from read_manifest(path)
    else:
        yield Recording(str(path), path)


def read_manifest(path: str | os.PathLike[str], *, needs_audio: bool = True) -> Iterator[Recording]:
    """Yields the recordings of a manifest, see `manifest_lines`; a line that cannot be used has a `problem`.

    Audio paths are relative to the manifest's folder; only audio_filepath is required.

    Args:
      path: of the manifest.
      needs_audio: a line without audio_filepath has a problem; if not, it is a recording without audio.
    """
    path = Path(path)
    number = 0
    try:
        with open(path, "rb") as opened:
            file = as_utf8(opened)
            check_layout(file.peek(HEAD_BYTES))
            for number, line in numbered_lines(file):
                yield _parse(line, place=f"{path}:{number}", folder=path.parent, needs_audio=needs_audio)
        if not number:
            yield Recording(str(path), problem=f"{path}: an empty manifest")
    except ManifestError as error:
        yield Recording(str(path), problem=f"{path}: {error}")
    except (OSError, ValueError, *DAMAGE) as error:
        reason = getattr(error, "strerror", None) or f"damaged: {error}"
        after = f" after line {number}" if number else ""
        yield Recording(str(path), problem=f"{path}: cannot be read as a manifest{after} ({reason})")


def _parse(line: bytes, *, place: str, folder: Path, needs_audio: bool) -> Recording:
    try:
        fields = parse_line(line)
        silent = not needs_audio and fields.get("audio_filepath") is None
        part, text = part_of({**fields, "audio_filepath": place} if silent else fields), fields.get("text")
        if text is not None and not isinstance(text, str):
            raise ManifestError(f"the text is {str(text)[:80]}, not a string")
        if silent:
            return Recording(place, None, part.offset, part.duration, text, fields)
        return Recording(str(folder / part.name), folder / part.name, part.offset, part.duration, text, fields)
    except Exception as error:
        return Recording(place, problem=str(as_speech_error(error, place)))
