"""Reads and writes turns in NIST's Rich Transcription Time Marked format (RTTM).

    SPEAKER meeting 1 12.300 4.250 <NA> <NA> ann <NA> <NA>
            file    channel, start, duration  speaker

Lines of other types are ignored, and so are channels: the turns of a recording are those of all its channels.
"""

import os
from collections.abc import Iterable, Mapping, Sequence

from jaxspeech.diarization.fields import find_files, numbered_fields, seconds
from jaxspeech.diarization.turns import Turn, one_word
from jaxspeech.errors import ManifestError

SUFFIXES = (".rttm", ".rttm.gz")
TYPES = ("SPEAKER", "SEGMENT", "NOSCORE", "NO_RT_METADATA", "LEXEME", "NON-LEX", "NON-SPEECH", "FILLER", "EDIT", "IP")
TYPES += ("SU", "CB", "A/P", "SPKR-INFO")


def read_rttm(path: str | os.PathLike[str]) -> dict[str, list[Turn]]:
    """Reads the turns of each recording, in the order of the file.

    Args:
      path: a file, or a folder of .rttm files.

    Raises:
      ManifestError: a file cannot be read, or a line is damaged; names both.
    """
    found: dict[str, list[Turn]] = {}
    for file in find_files(path, SUFFIXES):
        lines = 0
        for place, fields in numbered_fields(file):
            lines += 1
            if fields[0] != "SPEAKER":
                if fields[0].upper() not in TYPES:
                    raise ManifestError(f"{place}: {fields[0][:40]!r} is no type of RTTM; turns begin with SPEAKER")
                continue
            if len(fields) < 8:
                raise ManifestError(
                    f"{place}: has {len(fields)} fields; a turn is SPEAKER FILE CHANNEL START DURATION <NA> <NA> "
                    "SPEAKER <NA> <NA>"
                )
            start = seconds(fields[3], place=place, what="start")
            duration = seconds(fields[4], place=place, what="duration")
            found.setdefault(fields[1], []).append(Turn(start, start + duration, fields[7]))
        if not lines:
            found.setdefault(file.name.split(".rttm")[0], [])  # a recording in which nobody speaks
    return found


def as_rttm(recording: str, turns: Iterable[Turn]) -> str:
    """Formats the turns of a recording, a line each; spaces in names become underscores."""
    name = one_word(recording)
    return "".join(
        f"SPEAKER {name} 1 {start:.3f} {end - start:.3f} <NA> <NA> {one_word(speaker)} <NA> <NA>\n"
        for start, end, speaker in turns
    )


def rttm_of(recordings: Mapping[str, Sequence[Turn]]) -> str:
    """Formats the turns of several recordings."""
    return "".join(as_rttm(name, turns) for name, turns in recordings.items())
