"""Cuts clips of other speech and of noise, so that a model of a few words learns what is none of them."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from jaxspeech.data.manifest import Manifest
from jaxspeech.data.random_parts import kept_noises, random_parts
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
    texts = [f" {word.lower()} " for word in words]
    usable = [e for e in speech if not any(text in f" {str(e.fields.get('text') or '').lower()} " for text in texts)]
    shortest = min(lengths)
    kept = [entry for entry in usable if entry.duration >= shortest and entry.member is None]
    if not kept:
        raise ManifestError(f"{speech.problems.name or 'the speech'}: no recording to cut clips of {shortest:g} s from")
    rng, noises = np.random.default_rng(seed), 0 if noise is None else round(NOISE_SHARE * count)
    parts = random_parts(kept_noises(noise), lengths=lengths, count=noises, rng=rng) if noise is not None else []
    parts += random_parts(kept, lengths=lengths, count=count - noises, rng=rng)
    return [part | {field: name} for part in parts]
