"""Computes spectral embeddings: the eigenvectors of a graph's Laplacian with the smallest eigenvalues.

Up to 2,048 windows they are computed directly. Of more, the graph is kept in a byte for each pair, and they are found
by iteration (LOBPCG), which only needs products with the graph, computed block by block.
"""

import warnings

import numpy as np
import scipy.linalg
from jaxtyping import Float, Int8
from scipy.sparse.linalg import lobpcg

from jaxspeech.diarization.affinity import BLOCK, Affinity
from jaxspeech.diarization.neighbours import graph, laplacian

MOST_DIRECT = 2048
ITERATIONS = 40
# Of the residuals, relative to the largest degree.
TOLERANCE = 1e-3


def embeddings_of_graph(affinity: Affinity, p: int, count: int) -> Float[np.ndarray, "N K"]:
    """Returns the `count` first eigenvectors of the graph in which each window has p neighbours."""
    if len(affinity) <= MOST_DIRECT:
        order = np.argsort(-affinity.matrix(), axis=1, kind="stable")
        return smallest_vectors(laplacian(graph(order, p)), count)
    return _iterated(neighbour_counts(affinity, p), count)


def smallest_vectors(matrix: Float[np.ndarray, "N N"], count: int) -> Float[np.ndarray, "N K"]:
    """Returns the eigenvectors with the smallest eigenvalues of a symmetric matrix."""
    return scipy.linalg.eigh(matrix, subset_by_index=[0, count - 1], check_finite=False)[1]


def neighbour_counts(affinity: Affinity, p: int) -> Int8[np.ndarray, "N N"]:
    """Counts for each pair of windows which of the two has the other among its p most similar ones: 0, 1 or 2."""
    size = len(affinity)
    found = np.empty((size, size), np.int8)
    for first in range(0, size, BLOCK):
        rows = affinity.rows(first, min(first + BLOCK, size))
        limits = np.partition(rows, size - p, axis=1)[:, size - p, None]
        np.greater_equal(rows, limits, out=found[first : first + BLOCK].view(bool))
    for first in range(0, size, BLOCK):
        for second in range(first, size, BLOCK):
            upper = found[first : first + BLOCK, second : second + BLOCK]
            lower = found[second : second + BLOCK, first : first + BLOCK]
            both = upper + lower.T
            upper[:], lower[:] = both, both.T
    np.fill_diagonal(found, 0)
    return found


def _iterated(counts: Int8[np.ndarray, "N N"], count: int) -> Float[np.ndarray, "N K"]:
    size = len(counts)
    degrees = np.empty(size, np.float32)

    def product(vectors: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N K"]:
        found = degrees[:, None] * vectors
        for first in range(0, size, BLOCK):
            found[first : first + BLOCK] -= 0.5 * (counts[first : first + BLOCK].astype(np.float32) @ vectors)
        return found

    for first in range(0, size, BLOCK):
        degrees[first : first + BLOCK] = 0.5 * counts[first : first + BLOCK].sum(1, dtype=np.int64)
    scale = 1 / np.maximum(degrees, 0.5)[:, None]
    start = np.random.default_rng(0).standard_normal((size, count)).astype(np.float32)
    start[:, 0] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it stopped before the tolerance, which clusters do not need
        limit = TOLERANCE * float(degrees.max())
        _, vectors = lobpcg(product, start, M=lambda rest: scale * rest, largest=False, tol=limit, maxiter=ITERATIONS)
    return vectors
