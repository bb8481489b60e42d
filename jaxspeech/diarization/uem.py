"""Reads and writes the stretches of recordings that are scored, in NIST's un-partitioned evaluation map (UEM).

meeting 1 0.000 1800.000
file    channel, start, end
"""

import os
from collections.abc import Mapping, Sequence

from jaxspeech.diarization.fields import find_files, numbered_fields, seconds
from jaxspeech.diarization.turns import one_word
from jaxspeech.errors import ManifestError

SUFFIXES = (".uem", ".uem.gz")
Stretch = tuple[float, float]


def read_uem(path: str | os.PathLike[str]) -> dict[str, list[Stretch]]:
    """Reads the (start, end) of the stretches of each recording, in seconds.

    Args:
      path: a file, or a folder of .uem files.

    Raises:
      ManifestError: a file cannot be read, or a line is damaged; names both.
    """
    found: dict[str, list[Stretch]] = {}
    for file in find_files(path, SUFFIXES):
        for place, fields in numbered_fields(file):
            if len(fields) != 4:
                raise ManifestError(f"{place}: has {len(fields)} fields; a stretch is FILE CHANNEL START END")
            start, end = (seconds(fields[i], place=place, what=what) for i, what in ((2, "start"), (3, "end")))
            if not end > start:
                raise ManifestError(f"{place}: ends at {fields[3]} s, which is not after its start, {fields[2]} s")
            found.setdefault(fields[0], []).append((start, end))
    return found


def uem_of(recordings: Mapping[str, Sequence[Stretch]]) -> str:
    """Formats the stretches of recordings, a line each."""
    return "".join(
        f"{one_word(name)} 1 {start:.3f} {end:.3f}\n" for name, spans in recordings.items() for start, end in spans
    )
