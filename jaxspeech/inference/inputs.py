"""Finds and reads the recordings to transcribe: files, folders, manifests, arrays, and mixtures of them."""

import itertools
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.convert import Channel, to_samples
from jaxspeech.audio.read import read
from jaxspeech.audio.resample import check_rate, resample
from jaxspeech.errors import AudioError, ManifestError, SpeechError

# The suffixes searched for in a folder; a file that is named explicitly may have any suffix.
AUDIO_SUFFIXES = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"}
MANIFEST_SUFFIXES = {".jsonl", ".json"}


class Recording(NamedTuple):
    """One utterance to transcribe, not yet read.

    Attributes:
      source: its name in results and errors.
      audio: a path, or an array of samples (see `audio.to_samples`).
      offset, duration: the part of the file to use, in seconds; None is to the end.
      text: its reference transcript, if any.
      fields: all fields of its manifest line.
      problem: one line that says why it cannot be read.
      channel: the channel to use, counted from 0; None: as the options say.
    """

    source: str
    audio: Any = None
    offset: float = 0.0
    duration: float | None = None
    text: str | None = None
    fields: Mapping[str, Any] = MappingProxyType({})
    problem: str = ""
    channel: int | None = None


def find_recordings(inputs: Any) -> Iterator[Recording]:
    """Yields every recording that `inputs` names, in order, without reading audio.

    A path is a folder (searched recursively for audio files, in alphabetical order), a manifest (.jsonl, .json) or an
    audio file; anything with a shape is one recording's samples; an iterable holds any of these. An input that cannot
    be found or parsed is yielded as a recording with a `problem`.
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


def _pair(audio: Any, text: str, names: Iterator[str]) -> Iterator[Recording]:
    for i, recording in enumerate(_find(audio, names)):
        if i:
            raise AudioError(f"{audio}: several recordings, but only one text")
        yield recording._replace(text=text)


def _find(inputs: Any, names: Iterator[str]) -> Iterator[Recording]:
    if isinstance(inputs, Recording):
        yield inputs
    elif isinstance(inputs, str | os.PathLike):
        path = Path(inputs)
        if not os.fspath(inputs):
            yield Recording("", problem="the name of a recording is empty")
        elif os.path.isdir(path):
            yield from _read_folder(path)
        elif path.suffix.lower() in MANIFEST_SUFFIXES:
            yield from read_manifest(path)
        else:
            yield Recording(str(path), path)
    elif hasattr(inputs, "shape"):
        yield Recording(next(names), inputs)
    elif isinstance(inputs, Iterable) and not isinstance(inputs, bytes | dict):
        for item in inputs:
            yield from _find(item, names)
    else:
        what = type(inputs).__name__
        raise AudioError(f"cannot transcribe {what}: give paths, folders, manifests or arrays of samples")


def _read_folder(folder: Path) -> Iterator[Recording]:
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in AUDIO_SUFFIXES and file.is_file())
    if not files:
        yield Recording(str(folder), problem=f"{folder}: no audio files in this folder")
    for file in files:
        yield Recording(str(file), file)


def read_manifest(path: str | os.PathLike[str]) -> Iterator[Recording]:
    """Yields the recordings of a manifest, JSON lines {"audio_filepath", "offset", "duration", "text", ...}.

    Audio paths are relative to the manifest's folder; only audio_filepath is required.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig") as lines:
            found = False
            for number, line in enumerate(lines, 1):
                if line.strip():
                    found = True
                    yield _parse_line(line, place=f"{path}:{number}", folder=path.parent)
            if not found:
                yield Recording(str(path), problem=f"{path}: an empty manifest")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text in UTF-8"
        yield Recording(str(path), problem=f"{path}: cannot be read as a manifest ({reason})")


def _parse_line(line: str, *, place: str, folder: Path) -> Recording:
    def bad(why: str) -> Recording:
        return Recording(place, problem=f"{place}: {why}")

    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        return bad(f"not a JSON object ({error})")
    if not isinstance(fields, dict):
        return bad("not a JSON object")
    name, text = fields.get("audio_filepath"), fields.get("text")
    offset, duration = fields.get("offset") or 0.0, fields.get("duration")
    if not isinstance(name, str) or not name:
        return bad('no "audio_filepath"')
    if not _is_seconds(offset) or not (duration is None or (_is_seconds(duration) and duration > 0)):
        return bad(f"offset {offset!r}, duration {duration!r}: expected seconds, and a positive duration")
    if text is not None and not isinstance(text, str):
        return bad(f"the text is {text!r}, not a string")
    return Recording(str(folder / name), folder / name, float(offset), duration, text, fields)


def _is_seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def read_recording(
    recording: Recording, *, sample_rate: int, array_rate: int | None = None, channel: Channel = "mean"
) -> Float[np.ndarray, " S"] | SpeechError:
    """Returns the recording's samples at `sample_rate`, or the error that prevents reading them.

    Args:
      recording: the recording to read.
      sample_rate: wanted rate in Hz.
      array_rate: rate in Hz of recordings that are arrays; None: `sample_rate`.
      channel: which channel to use, see `audio.read`.
    """
    if recording.problem:
        return ManifestError(recording.problem)
    try:
        if isinstance(recording.audio, Path):
            samples, _ = read(
                recording.audio,
                sample_rate=sample_rate,
                offset=recording.offset,
                duration=recording.duration,
                channel=channel,
            )
            return samples
        samples = to_samples(recording.audio, channel=channel, name=recording.source)
        return samples if array_rate is None else resample(samples, check_rate(array_rate), sample_rate)
    except SpeechError as error:
        return error
