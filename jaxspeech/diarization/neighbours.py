"""Finds out how many neighbours each window should have in a graph, and how many speakers that shows (NME-SC).

    graph_p = (X + X^T) / 2,  X_ij = 1 where i is one of the p windows most similar to j
    Laplacian = degrees - graph,  its eigenvalues l_1 <= l_2 <= ...
    g_p = (p / N) / (largest gap l_k+1 - l_k of the admitted numbers of speakers k / l_N)

The p with the smallest g_p is chosen, and k is the number of speakers. If some windows are not connected with others
then, p grows until all are.

Source: T. Park et al., Auto-Tuning Spectral Clustering for Speaker Diarization Using Normalized Maximum Eigengap, 2019.
Equal to NeMo 3.0.0 (`NMESC` of offline_clustering.py), also in that a graph that is not connected grows one step more
than it needs, and that it grows to the last p if it never becomes connected.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

TINY = 1e-10


class Neighbours(NamedTuple):
    """What the search found.

    Attributes:
      chosen: number of neighbours.
      speakers: number of speakers.
      tried: the numbers of neighbours that were tried.
      ratios: g_p of each.
      counts: number of speakers of each.
    """

    chosen: int
    speakers: int
    tried: Int[np.ndarray, " P"]
    ratios: Float[np.ndarray, " P"]
    counts: Int[np.ndarray, " P"]


def candidates(windows: int, *, share: float, most: int) -> Int[np.ndarray, " P"]:
    """Lists the numbers of neighbours to try.

    Args:
      windows: number of windows.
      share: the largest number of neighbours, as a share of the windows.
      most: how many numbers to try at most.
    """
    largest = max(int(windows * np.float32(share)), 2)
    return np.linspace(1, largest, min(largest, max(most, 2))).astype(np.int64)


def search(
    affinity: Float[np.ndarray, "N N"], tried: Int[np.ndarray, " P"], *, least: int = 1, most: int = 8
) -> Neighbours:
    """Chooses the number of neighbours, and counts the speakers.

    Args:
      affinity: of some hundreds of windows, of which two or more.
      tried: the numbers of neighbours to try, ascending.
      least, most: the numbers of speakers that are admitted.
    """
    order = np.argsort(-affinity, axis=1, kind="stable")
    ratios, counts = np.zeros(len(tried), np.float32), np.zeros(len(tried), np.int64)
    for i, p in enumerate(tried.tolist()):
        values = scipy.linalg.eigvalsh(laplacian(graph(order, p)), check_finite=False, overwrite_a=True)
        gaps = np.diff(values)[:most]
        first = min(least, len(gaps)) - 1
        counts[i] = first + np.argmax(gaps[first:]) + 1
        ratios[i] = (p / len(affinity)) / (gaps[first:].max() / (values[-1] + TINY) + TINY)
    best = int(np.argmin(ratios))
    if not _connected(graph(order, int(tried[best])) > 0):
        # The graph before is looked at, that of one neighbour at the start.
        before = [1, *tried[:-1].tolist()]
        best = next((i for i, p in enumerate(before) if _connected(graph(order, p) > 0)), len(tried) - 1)
    return Neighbours(int(tried[best]), int(counts[best]), tried, ratios, counts)


def graph(order: Int[np.ndarray, "N N"], p: int) -> Float[np.ndarray, "N N"]:
    """Makes the graph in which each window is connected with its p most similar ones.

    Args:
      order: the windows by their affinity with each, the highest first.
      p: number of neighbours, of which the first is the window itself.
    """
    chosen = np.zeros(order.shape, np.float32)
    np.put_along_axis(chosen, order[:, :p], 1.0, axis=1)
    return np.float32(0.5) * (chosen + chosen.T)


def laplacian(weights: Float[np.ndarray, "N N"]) -> Float[np.ndarray, "N N"]:
    """Subtracts the weights of a graph from its degrees; windows are not their own neighbours."""
    found = -weights
    np.fill_diagonal(found, 0)
    np.fill_diagonal(found, np.abs(found).sum(1))
    return found


def _connected(edges: Bool[np.ndarray, "N N"]) -> bool:
    return connected_components(csr_array(edges), directed=False, return_labels=False) == 1
