"""The column of the activity of speakers: how much of each of the model's frames each of them speaks.

The turns are those of a manifest's line (diarization/line_turns.py). They follow the changes of speed, the silence and
the cuts of the audio. Of a stretch in which more speak than the model has columns, those who speak first are kept.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.data.columns.column import Column, Examples
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.variant import STILL, Variant
from jaxspeech.diarization.line_turns import has_turns, turns_of_line
from jaxspeech.diarization.rttm import read_rttm
from jaxspeech.diarization.targets import ACTIVE, Activity, activity_of_turns
from jaxspeech.diarization.turns import Turn
from jaxspeech.manifest_lines import parse_line

# Files of turns that are kept in memory: parts of a long session follow one another.
KEPT_FILES = 64


class Activities:
    """`activities(example, variant)` returns the activity in an example of a manifest. Safe to call from any thread."""

    def __init__(self, manifest: Manifest, *, most_speakers: int, frame_seconds: float):
        self._manifest = manifest
        self._options: dict[str, Any] = {"most_speakers": most_speakers, "frame_seconds": frame_seconds}
        self._read = lru_cache(maxsize=KEPT_FILES)(read_rttm)

    def __call__(self, example: int, variant: Variant = STILL) -> Activity:
        """Raises ManifestError if the example's turns are missing or damaged."""
        entry = self._manifest[example]
        start, end = entry.offset, entry.offset + entry.duration
        turns = sorted(turns_of_line(entry.fields, read=self._read), key=lambda turn: turn.start)
        inside = [
            # Times of 1 / speed; with a speed of 1 none changes, so that rounding cannot move a frame.
            Turn(max(turn.start, start) / variant.speed, min(turn.end, end) / variant.speed, turn.speaker)
            for turn in turns
            if turn.end > start and turn.start < end
        ]
        seconds = max(variant.at(entry.duration) + variant.after, 0.0)
        offset = start / variant.speed - variant.before
        return activity_of_turns(inside, seconds=seconds, offset=offset, **self._options)


def activity(manifest: Manifest, *, most_speakers: int, frame_seconds: float, soft: bool = False) -> Column:
    """Make the column; an example is usable if its line says who speaks.

    Args:
      manifest: the examples.
      most_speakers: S, of the model.
      frame_seconds: of the model.
      soft: keep shares between 0 and 1; otherwise who speaks half of a frame or more is active.
    """
    usable = np.array([has_turns(parse_line(line)) for line in manifest.lines()], bool)
    activities = Activities(manifest, most_speakers=most_speakers, frame_seconds=frame_seconds)

    def row(example: int, variant: Variant) -> Float[np.ndarray, "T S"]:
        shares = activities(example, variant).shares
        return shares if soft else (shares >= ACTIVE).astype(np.float32)

    def widths(
        examples: Examples, shortest: Float[np.ndarray, " K"], bucket_seconds: Float[np.ndarray, " b"]
    ) -> tuple[int, ...]:
        return tuple((np.ceil(bucket_seconds / frame_seconds).astype(int) + 2).tolist())

    return Column(np.float32, (most_speakers,), widths, usable, row)
