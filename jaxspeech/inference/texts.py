"""Finds the texts to speak: strings, text files, manifests, and mixtures of them."""

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jaxspeech.errors import ManifestError, as_speech_error
from jaxspeech.inference.inputs import Recording, read_manifest
from jaxspeech.manifest_lines import check_text, is_manifest

# Fields of a manifest's line with the text as it is spoken: numbers in words, nothing abbreviated.
NORMALIZED = ("normalized_text", "text_normalized")


def find_texts(inputs: Any) -> Iterator[Recording]:
    """Yields every text that `inputs` names, in order.

    A string is a text; a path (an `os.PathLike`) is a text file, or a manifest whose lines have a "text"; a mapping is
    such a line; an iterable holds any of these. What cannot be read is yielded with a `problem`.
    """
    yield from _find(inputs, (f"text {i}" for i in itertools.count()))


def _find(inputs: Any, names: Iterator[str]) -> Iterator[Recording]:
    if isinstance(inputs, Recording):
        yield inputs
    elif isinstance(inputs, str):
        yield Recording(next(names), text=inputs)
    elif isinstance(inputs, os.PathLike):
        path = Path(os.fsdecode(os.fspath(inputs)))
        yield from read_manifest(path, needs_audio=False) if is_manifest(str(path)) else [_text_file(path)]
    elif isinstance(inputs, Mapping):
        yield Recording(next(names), text=inputs.get("text"), fields=inputs)
    elif isinstance(inputs, Iterable) and not isinstance(inputs, bytes) and not hasattr(inputs, "shape"):
        for item in inputs:
            yield from _find(item, names)
    else:
        what = type(inputs).__name__
        yield Recording(what, problem=f"cannot speak {what}: give texts, paths of text files or manifests")


def _text_file(path: Path) -> Recording:
    try:
        return Recording(str(path), text=path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        return Recording(str(path), problem=f"{path}: not text in UTF-8")
    except OSError as error:
        return Recording(str(path), problem=f"{path}: cannot be read ({error.strerror or error})")


def text_of(recording: Recording) -> tuple[str, bool]:
    """The text to speak, and whether it is normalised already.

    Raises:
      ManifestError: there is none, in one line with the recording's name.
    """
    if recording.problem:
        raise ManifestError(recording.problem)
    name = next((name for name in NORMALIZED if recording.fields.get(name)), "text")
    try:
        text = check_text(recording.text if name == "text" else recording.fields[name], name=name)
    except ManifestError as error:
        raise as_speech_error(error, recording.source) from None
    if not text.strip():
        raise ManifestError(f"{recording.source}: the text is empty")
    return text, name != "text"
