"""Cuts clips of other speech and of noise, so that a model of a few words learns what is none of them.

A clip is a line of a manifest that names a part of a recording; no audio is written.
"""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from jaxspeech.data.manifest import Manifest
from jaxspeech.errors import ManifestError

# Share of the clips that are of noise, if there is any.
NOISE_SHARE = 0.1


def other_clips(
    speech: Manifest,
    noise: Manifest | None,
    *,
    lengths: Sequence[int | float],
    count: int,
    words: Collection[str],
    field: str = "label",
    name: str = "other",
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Draws parts of recordings, each from a random place.

    Args:
      speech: recordings of speech; those whose "text" has one of the words are left out.
      noise: recordings of noise; where lines have a "kind", only those of noise.
      lengths: of the clips to draw from, in seconds.
      count: number of clips.
      words: the names of the classes that are to be told from them.
      field: receives the name of the class.
      name: of the class.
      seed: determines the draw.

    Returns:
      The lines of a manifest; paths are absolute.

    Raises:
      ManifestError: nothing is left to cut clips from.
    """
    rng = np.random.default_rng(seed)
    texts = [f" {word.lower()} " for word in words]
    usable = [e for e in speech if not any(text in f" {str(e.fields.get('text') or '').lower()} " for text in texts)]
    noises = [] if noise is None else [entry for entry in noise if entry.fields.get("kind", "noise") == "noise"]
    shortest = min(lengths)
    kept = [entry for entry in usable if entry.duration >= shortest and entry.member is None]
    if not kept:
        raise ManifestError(f"{speech.problems.name or 'the speech'}: no recording to cut clips of {shortest:g} s from")
    lines = []
    for number in range(count):
        chosen = noises if noises and number < NOISE_SHARE * count else kept
        # Long recordings have more to choose from.
        weights = np.array([entry.duration for entry in chosen])
        entry = chosen[int(rng.choice(len(chosen), p=weights / weights.sum()))]
        seconds = min(float(rng.choice(lengths)), entry.duration)
        offset = entry.offset + float(rng.uniform(0, entry.duration - seconds))
        fields = {key: entry.fields[key] for key in ("speaker", "gender") if key in entry.fields}
        place = {"audio_filepath": str(entry.path), "offset": round(offset, 3), "duration": round(seconds - 1e-3, 3)}
        lines.append(place | fields | {field: name})
    return lines
