"""The column of one speaker's activity, and of all others', in the model's frames.

    {"audio_filepath": "a.wav", "duration": 9.0, "text": "what ann says", "speaker": "ann", "rttm_filepath": "a.rttm"}

A recording with several speakers has a line for each of them, with the turns of all (see diarization/line_turns.py). A
line without turns is of one speaker, who is active all the time. A speaker is active in a frame of which he speaks more
than half.
"""

import math
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.data.columns.activity import Activities
from jaxspeech.data.columns.column import Column, Examples
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.variant import Variant
from jaxspeech.diarization.line_turns import has_turns
from jaxspeech.diarization.targets import ACTIVE
from jaxspeech.errors import ManifestError
from jaxspeech.manifest_lines import parse_line

# Of a recording. The turns of further ones would not count as those of others.
MOST_SPEAKERS = 64
SPEAKER = "speaker"


def talker_activity(manifest: Manifest, *, frame_seconds: float) -> Column:
    """Make the column; an example is usable if it has no turns, or turns and a speaker.

    Args:
      manifest: the examples.
      frame_seconds: of the model.
    """
    usable = np.array([_is_usable(parse_line(line)) for line in manifest.lines()], bool)
    activities = Activities(manifest, most_speakers=MOST_SPEAKERS, frame_seconds=frame_seconds)

    def row(example: int, variant: Variant) -> Float[np.ndarray, "T 2"]:
        entry = manifest[example]
        if not has_turns(entry.fields):
            seconds = max(variant.at(entry.duration) + variant.after, 0.0)
            count = math.ceil(seconds / frame_seconds - 1e-6)
            return np.tile(np.array([1, 0], np.float32), (count, 1))
        found, speaker = activities(example, variant), entry.fields.get(SPEAKER)
        if speaker is None:
            raise ManifestError(f"no {SPEAKER}, who says the text, although there are turns")
        active = found.shares > ACTIVE
        # Who is silent in a part of a recording has no turn there.
        number = found.speakers.index(str(speaker)) if str(speaker) in found.speakers else None
        target = np.zeros(len(active), bool) if number is None else active[:, number]
        others = active if number is None else np.delete(active, number, 1)
        return np.stack([target, others.any(1)], 1).astype(np.float32)

    def widths(
        examples: Examples, shortest: Float[np.ndarray, " K"], bucket_seconds: Float[np.ndarray, " b"]
    ) -> tuple[int, ...]:
        return tuple((np.ceil(bucket_seconds / frame_seconds).astype(int) + 2).tolist())

    return Column(np.float32, (2,), widths, usable, row)


def _is_usable(fields: dict[str, Any]) -> bool:
    return not has_turns(fields) or fields.get(SPEAKER) is not None
