"""Computes how similar windows of speech are, from embeddings of windows of several lengths.

    cos_s(i, j) = e_i . e_j / ((|e_i| + 3.5e-4) (|e_j| + 3.5e-4)),  1 for the same window
    affinity(i, j) = sum over scales of w_s (cos_s(m_s(i), m_s(j)) - least_s) / (1 - least_s)

where i, j are windows of the shortest scale, m_s is the window of scale s whose middle is nearest, and least_s the
least cosine of the scale. The whole matrix is never needed: any of its rows is a product of vectors, which are kept.

Equal to NeMo (`getMultiScaleCosAffinityMatrix` of offline_clustering.py), which rounds embeddings to half precision.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.errors import ConfigError

# Added to each norm.
SMALL = np.float32(3.5e-4)
# Rows of a matrix that are computed at a time: of 14,400 windows, 29 MB.
BLOCK = 512


class Scale(NamedTuple):
    """The windows of one length: their embeddings, and start and end of each in seconds, in the order of the starts."""

    embeddings: Float[Any, "N E"]
    times: Float[Any, "N 2"]


class Affinity(NamedTuple):
    """The affinities of the windows of the shortest scale, as products.

    Attributes:
      vectors: of each window, those of all scales after each other; the affinity is a product of two, plus `offset`.
      maps: [S N], which window of each scale is nearest to each of the shortest.
      alike: [S N], added where two windows share the window of a scale, whose cosine with itself is 1.
      offset: a constant.
    """

    vectors: Float[np.ndarray, "N D"]
    maps: Int[np.ndarray, "S N"]
    alike: Float[np.ndarray, "S N"]
    offset: float

    def __len__(self) -> int:
        return len(self.vectors)

    def take(self, chosen: Any) -> "Affinity":
        """Returns the affinities among some of the windows."""
        return Affinity(self.vectors[chosen], self.maps[:, chosen], self.alike[:, chosen], self.offset)

    def rows(self, first: int, last: int) -> Float[np.ndarray, "R N"]:
        """Computes the rows from `first` to `last` - 1."""
        found = self.vectors[first:last] @ self.vectors.T
        found += np.float32(self.offset)
        for mapped, more in zip(self.maps, self.alike, strict=True):
            for apart in range(len(self)):  # the windows that share one lie beside each other
                left = np.flatnonzero(mapped[: len(self) - apart] == mapped[apart:])
                if not len(left):
                    break
                for row, column in ((left, left + apart), (left + apart, left))[: 1 + (apart > 0)]:
                    inside = (row >= first) & (row < last)
                    found[row[inside] - first, column[inside]] += more[row[inside]]
        return found

    def matrix(self) -> Float[np.ndarray, "N N"]:
        """Computes all of it."""
        return self.rows(0, len(self))


def nearest_windows(times: Float[Any, "M 2"], base: Float[Any, "N 2"]) -> Int[np.ndarray, " N"]:
    """Finds the window whose middle is nearest to that of each base window, the first of equal ones."""
    middles, wanted = (np.asarray(x, np.float32).mean(1) for x in (times, base))
    order = np.argsort(middles, kind="stable")
    middles = middles[order]
    after = np.clip(np.searchsorted(middles, wanted), 0, len(middles) - 1)
    before = np.maximum(after - 1, 0)
    nearer = np.abs(middles[before] - wanted) <= np.abs(middles[after] - wanted)
    return order[np.where(nearer, before, after)]


def affinity_of(
    scales: Sequence[Scale], *, weights: Sequence[float] | None = None, every: int = 1, halved: bool = True
) -> Affinity:
    """Prepares the affinities of windows.

    Args:
      scales: from the longest windows to the shortest.
      weights: of the scales; None: 1 each.
      every: take only every so-manieth of the shortest windows; each least cosine is then that of the windows taken.
      halved: round embeddings to half precision, as NeMo.

    Raises:
      ConfigError: the scales do not fit together.
    """
    parts, maps, alike, offset = [], [], [], 0.0
    for scale, weight in zip(scales, checked_weights(scales, weights), strict=True):
        mapped = nearest_windows(scale.times, scales[-1].times)[::every]
        vectors = np.asarray(scale.embeddings)
        if every > 1:
            used, places = np.unique(mapped, return_inverse=True)
            vectors = vectors[used]
        else:
            places = mapped
        vectors = vectors.astype(np.float16).astype(np.float32) if halved else vectors.astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + SMALL
        least = _least(vectors)
        factor = weight / max(1.0 - least, 1e-6)
        parts.append((vectors * np.float32(np.sqrt(factor)))[places])
        maps.append(mapped)
        alike.append((factor * (1.0 - np.square(vectors).sum(1)))[places].astype(np.float32))
        offset -= factor * least
    return Affinity(np.concatenate(parts, 1), np.stack(maps), np.stack(alike), offset)


def joined_embeddings(scales: Sequence[Scale], *, weights: Sequence[float] | None = None) -> Float[np.ndarray, "N E"]:
    """Adds for each window of the shortest scale the embeddings of the nearest windows of all scales."""
    found = np.zeros(np.shape(scales[-1].embeddings), np.float32)
    for scale, weight in zip(scales, checked_weights(scales, weights), strict=True):
        mapped = nearest_windows(scale.times, scales[-1].times)
        for first in range(0, len(found), BLOCK):
            rows = np.asarray(scale.embeddings)[mapped[first : first + BLOCK]]
            found[first : first + BLOCK] += np.float32(weight) * rows.astype(np.float32)
    return found


def checked_weights(scales: Sequence[Scale], weights: Sequence[float] | None) -> list[float]:
    """Returns the weights of the scales, 1 each by default.

    Raises:
      ConfigError: the scales and weights do not fit together.
    """
    weights = [1.0] * len(scales) if weights is None else list(weights)
    if not scales or len(weights) != len(scales) or min(weights) < 0 or not sum(weights) > 0:
        raise ConfigError(f"{len(scales)} scales need as many weights of 0 or more, not {weights}")
    for scale in scales:
        if len(scale.embeddings) != len(scale.times) or not len(scale.times):
            raise ConfigError(f"a scale has {len(scale.embeddings)} embeddings for {len(scale.times)} windows")
    return weights


def _least(vectors: Float[np.ndarray, "N E"]) -> float:
    """The smallest cosine of any two; 0 of a single one."""
    if len(vectors) == 1:
        return 0.0
    starts = range(0, len(vectors), BLOCK)
    return min(float((vectors[first : first + BLOCK] @ vectors[first:].T).min()) for first in starts)
