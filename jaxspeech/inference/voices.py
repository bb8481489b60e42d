"""Compares embeddings: cosines, their normalisation by a cohort, and enrolled speakers.

s'(a, b) = ((s - mean_a) / deviation_a + (s - mean_b) / deviation_b) / 2

where mean_a and deviation_a are those of the highest scores of a against a cohort of other speakers (Matejka et al.,
"Analysis of Score Normalization in Multilingual Speaker Recognition", 2017).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.errors import ConfigError, did_you_mean

# Recordings of the cohort whose scores count.
COHORT_TOP = 300


def unit(vectors: Float[Any, "*N E"]) -> Float[np.ndarray, "*N E"]:
    """Normalises vectors to length 1."""
    vectors = np.asarray(vectors, np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def as_norm(
    scores: Float[Any, " N"],
    one: Float[Any, "N E"],
    other: Float[Any, "N E"],
    cohort: Float[Any, "K E"],
    *,
    top: int = COHORT_TOP,
) -> Float[np.ndarray, " N"]:
    """Normalises the scores of pairs by each side's scores against a cohort.

    Args:
      scores: cosines of the pairs.
      one, other: embeddings of both sides.
      cohort: embeddings of other speakers, at least two.
      top: how many of the highest scores count.

    Raises:
      ConfigError: the cohort has fewer than two recordings.
    """
    if len(cohort) < 2:
        raise ConfigError(f"the cohort has {len(cohort)} recordings; score normalisation needs at least two")
    normal = []
    for side in (one, other):
        highest = np.sort(unit(side) @ unit(cohort).T, axis=-1)[:, -top:]
        normal.append((np.asarray(scores) - highest.mean(-1)) / np.maximum(highest.std(-1), 1e-6))
    return (normal[0] + normal[1]) / 2


class Enrolment:
    """Enrolled speakers: the mean of the normalised embeddings of each, as an asset of the model.

    Attributes:
      sums: name -> sum of normalised embeddings.
      counts: name -> number of recordings.
    """

    def __init__(self, sums: Mapping[str, Any] | None = None, counts: Mapping[str, int] | None = None):
        self.sums = {name: np.asarray(vector, np.float32) for name, vector in (sums or {}).items()}
        self.counts = dict(counts or {})

    @property
    def names(self) -> tuple[str, ...]:
        """The enrolled speakers, in their order."""
        return tuple(self.sums)

    def add(self, name: str, vectors: Float[Any, "N E"]) -> None:
        """Adds recordings of a speaker, who may be enrolled already."""
        self.sums[name] = self.sums.get(name, np.float32(0)) + unit(vectors).sum(0)
        self.counts[name] = self.counts.get(name, 0) + len(vectors)

    def vector(self, name: str) -> Float[np.ndarray, " E"]:
        """The normalised mean of a speaker.

        Raises:
          ConfigError: no such speaker is enrolled.
        """
        if name not in self.sums:
            hint = did_you_mean(str(name), self.names) if self.sums else "; nobody is"
            raise ConfigError(f"the speaker {name!r} is not enrolled{hint}")
        return unit(self.sums[name])
