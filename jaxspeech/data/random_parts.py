"""Draws parts of recordings, each from a random place, as the lines of a manifest; no audio is written."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxspeech.data.entry import Entry
from jaxspeech.data.manifest import Manifest
from jaxspeech.errors import ManifestError

# A part ends this much before the recording, whose duration is rounded.
MARGIN_SECONDS = 1e-3
KEPT_FIELDS = ("speaker", "gender")


def random_parts(
    recordings: Sequence[Entry], *, lengths: Sequence[int | float], count: int, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Returns the lines of `count` parts; a long recording gives more of them than a short one.

    Args:
      recordings: what they are parts of; one that is shorter than a drawn length is used as a whole.
      lengths: of the parts to draw from, in seconds.
      count: number of parts.
      rng: random numbers.
    """
    seconds = np.array([entry.duration for entry in recordings])
    lines = []
    for place in rng.choice(len(recordings), count, p=seconds / seconds.sum()).tolist():
        entry = recordings[place]
        length = min(float(rng.choice(np.asarray(lengths))), entry.duration)
        offset = entry.offset + float(rng.uniform(0, entry.duration - length))
        fields = {name: entry.fields[name] for name in KEPT_FIELDS if name in entry.fields}
        part = {"audio_filepath": str(entry.path), "offset": round(offset, 3)}
        lines.append(part | {"duration": round(length - MARGIN_SECONDS, 3)} | fields)
    return lines


def kept_noises(manifest: Manifest) -> list[Entry]:
    """Returns the recordings of noise: all, or where lines have a "kind", those of noise.

    Raises:
      ManifestError: there are none.
    """
    found = [entry for entry in manifest if entry.fields.get("kind", "noise") == "noise" and entry.member is None]
    if not found:
        raise ManifestError(f"{manifest.problems.name or 'the noises'}: holds no recording with kind 'noise'")
    return found
