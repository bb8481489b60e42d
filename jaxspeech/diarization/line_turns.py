"""Reads the turns of a manifest's line: from the RTTM file that it names, as in NeMo's manifests, or from the line.

{"audio_filepath": "a.wav", "duration": 60.0, "rttm_filepath": "a.rttm", "num_speakers": 2}
{"audio_filepath": "a.wav", "duration": 60.0, "turns": [[0.5, 4.25, "ann"], [4.0, 9.0, "bob"]]}

Times are seconds from the start of the recording, also where the line is only a part of it. In a file with the turns of
several recordings, those of the audio file's name count. An empty list, or a file without turns, says that nobody
speaks.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from jaxspeech.diarization.fields import seconds
from jaxspeech.diarization.rttm import read_rttm
from jaxspeech.diarization.turns import Turn
from jaxspeech.errors import ManifestError

FILE, TURNS = "rttm_filepath", "turns"
# A message lists no more recordings than this.
MOST_LISTED = 3

Read = Callable[[str | os.PathLike[str]], Mapping[str, Sequence[Turn]]]


def has_turns(fields: Mapping[str, Any]) -> bool:
    """Whether the line says who speaks; what it says may still be damaged."""
    return fields.get(TURNS) is not None or bool(fields.get(FILE))


def turns_of_line(fields: Mapping[str, Any], *, read: Read = read_rttm) -> list[Turn]:
    """Returns the turns of the whole recording, in the order of the file or of the list.

    Args:
      fields: of the line; a path counts from the working directory.
      read: reads the file.

    Raises:
      ManifestError: the line has no turns, they are damaged, or the file cannot be read or is of other recordings.
    """
    given, path = fields.get(TURNS), fields.get(FILE)
    if given is not None:
        if not isinstance(given, list):
            raise ManifestError(f"the {TURNS} are {given!r:.60}; they are a list of [start, end, speaker]")
        return [_turn(value, f"turn {number}") for number, value in enumerate(given, 1)]
    if not path:
        raise ManifestError(f"no {FILE}, and no {TURNS}")
    if not isinstance(path, str):
        raise ManifestError(f"the {FILE} is {path!r:.60}, not a path")
    return _of_recording(read(path), PurePath(str(fields.get("audio_filepath", ""))).stem, path)


def _of_recording(found: Mapping[str, Sequence[Turn]], name: str, path: str) -> list[Turn]:
    if name not in found and len(found) > 1:
        names = ", ".join(sorted(found)[:MOST_LISTED]) + (", ..." if len(found) > MOST_LISTED else "")
        raise ManifestError(f"{path}: has the turns of {len(found)} recordings ({names}), none of which is {name!r}")
    return list(found[name] if name in found else next(iter(found.values()), ()))


def _turn(value: Any, place: str) -> Turn:
    if isinstance(value, Mapping):
        value = [value.get(name) for name in Turn._fields]
    if not isinstance(value, list) or len(value) != len(Turn._fields) or not isinstance(value[2], str | int):
        raise ManifestError(f"{place} is {value!r:.60}; it is [start, end, speaker]")
    start, end = (seconds(edge, place=place, what=what) for edge, what in zip(value[:2], Turn._fields, strict=False))
    if end < start:
        raise ManifestError(f"{place} ends at {end:g} s, before its start, {start:g} s")
    return Turn(start, end, str(value[2]))
