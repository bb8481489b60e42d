"""Reads and writes words with their speakers as segment-wise long-form speech transcriptions (SegLST).

    [{"session_id": "meeting", "speaker": "ann", "start_time": 12.3, "end_time": 16.5, "words": "good morning"}, ...]

A file is a JSON array of such objects, or has one on each line.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxspeech.diarization.fields import find_files, read_text, seconds
from jaxspeech.diarization.turns import Utterance
from jaxspeech.errors import ManifestError
from jaxspeech.manifest_lines import check_text
from jaxspeech.runtime.unicode import to_json

SUFFIXES = (".seglst.json", ".json", ".jsonl", ".json.gz", ".jsonl.gz")


def read_seglst(path: str | os.PathLike[str]) -> dict[str, list[Utterance]]:
    """Reads the utterances of each recording, in the order of the file.

    Args:
      path: a file, or a folder of .json files.

    Raises:
      ManifestError: a file cannot be read, or an object is damaged; names the file and the line.
    """
    found: dict[str, list[Utterance]] = {}
    for file in find_files(path, SUFFIXES):
        for place, value in _objects(file):
            name, utterance = _utterance(value, place)
            found.setdefault(name, []).append(utterance)
    return found


def seglst_of(recordings: Mapping[str, Sequence[Utterance]]) -> str:
    """Formats utterances as a JSON array with one object on each line."""
    lines = [to_object(name, said) for name, utterances in recordings.items() for said in utterances]
    return "[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n"


def to_object(name: str, said: Utterance) -> str:
    """Formats one utterance of a recording as a JSON object."""
    return to_json(
        {
            "session_id": name,
            "speaker": said.speaker,
            "start_time": round(said.start, 3),
            "end_time": round(said.end, 3),
            "words": said.words,
        }
    )


def _objects(file: Path) -> Iterator[tuple[str, Any]]:
    """Yields each object with the place where it begins; decodes one at a time, so that all places are known."""
    text, decoder = read_text(file), json.JSONDecoder()
    at, line = _skip(text, 0, " \t\r\n"), 1
    array, counted = text[at : at + 1] == "[", 0
    at += array
    while True:
        at = _skip(text, at, " \t\r\n")
        line, counted = line + text.count("\n", counted, at), at
        place = f"{file}:{line}"
        if at == len(text) or (array and text[at] == "]"):
            break
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", None) or type(error).__name__
            raise ManifestError(f"{file}:{getattr(error, 'lineno', line)}: not a JSON object ({reason})") from error
        yield place, value
        at = _skip(text, end, " \t\r\n")
        if array and text[at : at + 1] == ",":
            at += 1
        elif array and text[at : at + 1] != "]":
            line += text.count("\n", counted, at)
            raise ManifestError(f'{file}:{line}: expected "," or "]" after an object; the file may have been cut')
    if array and at == len(text):
        raise ManifestError(f'{place}: the array has no end "]"; the file may have been cut')


def _skip(text: str, at: int, characters: str) -> int:
    while at < len(text) and text[at] in characters:
        at += 1
    return at


def _utterance(value: Any, place: str) -> tuple[str, Utterance]:
    if not isinstance(value, dict):
        raise ManifestError(f"{place}: not a JSON object")
    names = []
    for field in ("session_id", "speaker"):
        name = value.get(field)
        if isinstance(name, bool) or not isinstance(name, str | int):
            raise ManifestError(f"{place}: no {field}" if name is None else f"{place}: the {field} is no text")
        names.append(str(name))
    start = seconds(value.get("start_time"), place=place, what="start_time")
    end = seconds(value.get("end_time"), place=place, what="end_time")
    if end < start:
        raise ManifestError(f"{place}: ends at {end} s, before its start, {start} s")
    try:
        words = check_text(value.get("words"), name="words")
    except ManifestError as error:
        raise ManifestError(f"{place}: {error}") from error
    return names[0], Utterance(start, end, names[1], words)
