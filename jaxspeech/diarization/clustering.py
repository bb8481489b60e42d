"""Finds which windows of speech are of the same speaker: normalised maximum eigengap spectral clustering (NME-SC).

    embeddings of windows -> affinity (affinity.py) -> neighbours and number of speakers (neighbours.py)
        -> eigenvectors of the graph (spectral.py) -> k-means (kmeans.py)

The number of neighbours is searched on every n-th window, which are 512 to 1,023. Up to 16,384 windows, about an hour,
one graph connects all of them. Of longer recordings each part is reduced to a number of clusters, whose means are
clustered then; the speakers are counted over all of the recording. So memory is bounded by the embeddings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.diarization.affinity import SMALL, Affinity, Scale, affinity_of, joined_embeddings
from jaxspeech.diarization.anchors import count_beside_anchors
from jaxspeech.diarization.kmeans import kmeans, means
from jaxspeech.diarization.neighbours import Neighbours, candidates, laplacian, search
from jaxspeech.diarization.spectral import embeddings_of_graph, smallest_vectors
from jaxspeech.errors import ConfigError

# The number of windows for which the neighbours are searched is this or more, but less than twice as many.
SEARCHED = 512
# So few windows are clustered by their affinities, without a graph.
FEW = 6
# First centres of a part's clusters are chosen among so many.
PART_TRIALS = 6


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """How windows are clustered.

    Attributes:
      num_speakers: if it is known. There are never more speakers than windows.
      min_speakers, max_speakers: if the number is not known.
      weights: of the scales, from the longest windows to the shortest; None: 1 each.
      neighbours: of each window, as a share of all; None: searched.
      most_neighbours: the largest share that is searched.
      candidates: how many shares are searched.
      short: in recordings of so many windows or fewer, speakers are counted beside random ones (anchors.py).
      part: windows of a part of a long recording; shorter ones are clustered as a whole.
      part_clusters: clusters to which each part is reduced.
    """

    num_speakers: int | None = None
    min_speakers: int = 1
    max_speakers: int = 8
    weights: Sequence[float] | None = None
    neighbours: int | float | None = None
    most_neighbours: int | float = 0.25
    candidates: int = 30
    short: int = 80
    part: int = 16_384
    part_clusters: int = 50

    def __post_init__(self) -> None:
        for name in ("num_speakers", "min_speakers", "max_speakers", "candidates", "part_clusters"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ConfigError(f"{name} is {value!r}; it must be a whole number of 1 or more")
        if self.min_speakers > self.max_speakers:
            raise ConfigError(
                f"min_speakers is {self.min_speakers}, which is more than max_speakers, {self.max_speakers}"
            )
        for name in ("neighbours", "most_neighbours"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                raise ConfigError(f"{name} is {value!r}; it must be a share, above 0 and at most 1")
        if not self.part > max(self.part_clusters, self.most):
            raise ConfigError(f"part is {self.part}; it must be more than part_clusters and the number of speakers")

    @property
    def least(self) -> int:
        """The least number of speakers."""
        return self.num_speakers or self.min_speakers

    @property
    def most(self) -> int:
        """The largest number of speakers."""
        return self.num_speakers or self.max_speakers


class Clusters(NamedTuple):
    """The speakers of windows.

    Attributes:
      labels: number of each window's speaker, from 0, in the order in which they speak first.
      speakers: how many there are.
      neighbours: what the search for neighbours found; None if there was none.
    """

    labels: Int[np.ndarray, " N"]
    speakers: int
    neighbours: Neighbours | None = None


def cluster(scales: Sequence[Scale], options: ClusterOptions | None = None) -> Clusters:
    """Finds the speakers of the windows of the last scale.

    Args:
      scales: embeddings of windows, from the longest windows to the shortest, whose speakers are found.
      options: see `ClusterOptions`; the defaults if None.

    Raises:
      ConfigError: the scales and weights do not fit together.
    """
    options = ClusterOptions() if options is None else options
    size = len(scales[-1].embeddings) if scales else 0
    if size < 2:
        return Clusters(np.zeros(size, np.int64), size)
    whole = size <= options.part
    affinity = affinity_of(scales, weights=options.weights, every=1 if whole else _step(size))
    found = _search(affinity, options)
    count = found.speakers
    if options.num_speakers is None and size <= max(options.short, FEW):
        count = count_beside_anchors(np.asarray(scales[-1].embeddings))
    count = min(max(count, options.least), options.most, size)
    if not whole:
        labels = _by_parts(joined_embeddings(scales, weights=options.weights), count, options)
    elif size <= FEW:
        labels = kmeans(smallest_vectors(laplacian(affinity.matrix()), count)[:, ::-1], count)
    else:
        labels = _labels(affinity, found.chosen * _step(size), count)
    return Clusters(_in_order(labels), count, found)


def _labels(affinity: Affinity, neighbours: int, count: int) -> Int[np.ndarray, " N"]:
    if count == 1:
        return np.zeros(len(affinity), np.int64)
    return kmeans(embeddings_of_graph(affinity, neighbours, count)[:, ::-1], count)


def _step(size: int) -> int:
    """Every so-manieth window is searched."""
    return max(size // SEARCHED, 1)


def _search(affinity: Affinity, options: ClusterOptions) -> Neighbours:
    some = affinity.take(np.s_[:: _step(len(affinity))])
    if options.neighbours is not None or len(some) <= FEW:
        share = options.most_neighbours if options.neighbours is None else options.neighbours
        tried = candidates(len(some), share=share, most=1)[-1:]
    else:
        tried = candidates(len(some), share=options.most_neighbours, most=options.candidates)
    return search(some.matrix(), tried, least=options.least, most=options.most)


def _by_parts(embeddings: Float[np.ndarray, "N E"], count: int, options: ClusterOptions) -> Int[np.ndarray, " N"]:
    """Reduces each part to clusters, clusters their means, and gives each window the label of its cluster."""
    size = len(embeddings)
    numbers, centres = np.zeros(size, np.int64), np.zeros((0, embeddings.shape[1]), np.float32)
    edges = np.linspace(0, size, -(-size // options.part) + 1).astype(int)
    for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        vectors = embeddings[first:last]
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), SMALL)
        clusters = min(options.part_clusters, last - first)
        labels = kmeans(vectors, clusters, trials=PART_TRIALS)
        numbers[first:last] = len(centres) + labels
        centres = np.concatenate([centres, means(vectors, labels, clusters).astype(np.float32)])
    times = np.arange(len(centres), dtype=np.float32)[:, None] + np.array([0, 1], np.float32)
    affinity = affinity_of([Scale(centres, times)], halved=False)
    neighbours = _search(affinity, options).chosen * _step(len(centres))
    return _labels(affinity, neighbours, min(count, len(centres)))[numbers]


def _in_order(labels: Int[np.ndarray, " N"]) -> Int[np.ndarray, " N"]:
    """Numbers the clusters in the order of their first windows."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]
