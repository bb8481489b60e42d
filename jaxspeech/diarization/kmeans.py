"""Finds clusters of points by k-means, from centres that k-means++ spreads.

    centre_j = mean of the points that are nearest to it,  at most 15 times

Every cluster has a point: where one would be empty, it receives the point that is farthest from its centre. The first
centres are those of NeMo (`kmeans_torch` of offline_clustering.py), with the same random numbers.

Source: D. Arthur, S. Vassilvitskii, k-means++: The Advantages of Careful Seeding, 2007.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from jaxspeech.diarization.draws import Draws

ITERATIONS = 15
# The centres are final when the square of the sum of their moves is below this.
STILL = 1e-4
# For each centre so many points are tried, of which the one is kept that leaves the least distances.
TRIALS = 30


def kmeans(
    points: Float[np.ndarray, "N D"], clusters: int, *, seed: int = 0, trials: int = TRIALS
) -> Int[np.ndarray, " N"]:
    """Returns the number of each point's cluster.

    Args:
      points: the points.
      clusters: how many clusters; at most the number of points.
      seed: of the first centres.
      trials: how many points are tried for each first centre.
    """
    if clusters <= 1:
        return np.zeros(len(points), np.int64)
    points, draws = np.asarray(points, np.float64), Draws(seed)
    norms = np.square(points).sum(1)
    centres = _spread(points, norms, clusters, draws, trials)
    labels = np.zeros(len(points), np.int64)
    for _ in range(ITERATIONS):
        labels = np.argmin(_squares(points, norms, centres), axis=1)
        counts = np.bincount(labels, minlength=clusters)
        moved = means(points, labels, clusters)
        for empty in np.flatnonzero(counts == 0):
            moved[empty] = points[draws.below(len(points))]
        shift = np.sqrt(np.square(moved - centres).sum(1)).sum() ** 2
        centres = moved
        if shift < STILL:
            break
    return _filled(points, labels, centres)


def means(points: Float[np.ndarray, "N D"], labels: Int[np.ndarray, " N"], clusters: int) -> Float[np.ndarray, "K D"]:
    """Returns the mean of each cluster's points; zeros of an empty one."""
    belongs = csr_array((np.ones(len(labels)), (labels, np.arange(len(labels)))), shape=(clusters, len(labels)))
    return belongs @ points / np.maximum(np.bincount(labels, minlength=clusters), 1)[:, None]


def _spread(
    points: Float[np.ndarray, "N D"], norms: Float[np.ndarray, " N"], clusters: int, draws: Draws, trials: int
) -> Float[np.ndarray, "K D"]:
    """Chooses points as first centres, each with a probability that grows with its distance from all others."""
    chosen = [draws.below(len(points))]
    nearest = _squares(points, norms, points[chosen])[:, 0]
    for _ in range(1, clusters):
        wanted = draws.uniform(trials) * nearest.sum()
        candidates = np.minimum(np.searchsorted(np.cumsum(nearest), wanted), len(points) - 1)
        left = np.minimum(nearest[:, None], _squares(points, norms, points[candidates]))
        best = int(np.argmin(left.sum(0)))
        nearest = left[:, best]
        chosen.append(int(candidates[best]))
    return points[chosen]


def _squares(
    points: Float[np.ndarray, "N D"], norms: Float[np.ndarray, " N"], centres: Float[np.ndarray, "K D"]
) -> Float[np.ndarray, "N K"]:
    """The squared distances; `norms` are the squared lengths of the points."""
    found = points @ (-2 * centres.T)
    found += norms[:, None] + np.square(centres).sum(1)
    return np.maximum(found, 0, out=found)


def _filled(
    points: Float[np.ndarray, "N D"], labels: Int[np.ndarray, " N"], centres: Float[np.ndarray, "K D"]
) -> Int[np.ndarray, " N"]:
    """Gives each empty cluster the farthest point of those clusters that have another."""
    labels = labels.copy()
    distances = np.square(points - centres[labels]).sum(1)
    for empty in np.flatnonzero(np.bincount(labels, minlength=len(centres)) == 0):
        shared = np.bincount(labels, minlength=len(centres))[labels] > 1
        farthest = int(np.argmax(np.where(shared, distances, -1)))
        labels[farthest], distances[farthest] = empty, 0
    return labels
