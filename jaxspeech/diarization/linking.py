"""Finds which tracks are of the same speaker: agglomerative clustering with tracks that cannot be of one.

    similarity(A, B) = mean of cos(e_i, e_j) over i in A and j in B, weighted by the seconds of both tracks

The two most similar clusters are joined as long as their similarity is at least the threshold. Clusters with tracks of
the same window are not joined, as the model that found the tracks heard two speakers there. Known numbers of speakers
are obeyed before both rules.

Very short tracks say little about a voice: they are not clustered, but given to the nearest speaker who has no track in
their window. Of more than `PART` tracks, parts are clustered first.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment

from jaxspeech.diarization.speaker_numbers import Numbers

# Shorter tracks are not clustered, in seconds.
SHORTEST_SECONDS = 1.0
# A speaker who says less in all of the recording is none, if what he says can be given to others, in seconds.
SPEAKER_SECONDS = 2.0
# What is subtracted from the similarity of clusters that should not be joined: more than any cosine differs.
APART = 4.0
# Added to the cosine of tracks that are active at the same time in two windows that overlap, times their agreement.
LINK = 0.3
PART = 4096
# Clusters to which a part is reduced at most.
PART_CLUSTERS = 64
REFINEMENTS = 3
# A track changes its speaker only if it is nearer to the other by this much.
STAY = 0.05


def link_tracks(
    vectors: Float[Any, "N E"],
    windows: Int[Any, " N"],
    groups: Int[Any, " N"],
    seconds: Float[Any, " N"],
    *,
    threshold: float,
    numbers: Numbers = Numbers(),  # noqa: B008  immutable
    links: Sequence[tuple[int, int, float]] = (),
) -> Int[np.ndarray, " N"]:
    """Returns the number of each track's speaker, from 0; there are never more speakers than tracks.

    Args:
      vectors: embeddings of the tracks.
      windows: the window of each, in order.
      groups: the local speaker of each: tracks of one window and one local speaker may be of the same speaker.
      seconds: by how much speech each was embedded.
      threshold: the cosine from which two tracks are of the same speaker.
      numbers: of speakers; obeyed as far as there are as many tracks.
      links: (track, track, agreement from 0 to 1) of tracks in neighbouring windows.
    """
    size = len(vectors)
    if size < 2:
        return np.zeros(size, np.int64)
    units = np.asarray(vectors, np.float32)
    units = units / np.maximum(np.linalg.norm(units, axis=1, keepdims=True), 1e-10)
    windows, groups, seconds = np.asarray(windows), np.asarray(groups), np.asarray(seconds, np.float32)
    order = np.argsort(-seconds, kind="stable")
    count = max(int((seconds >= SHORTEST_SECONDS).sum()), min(numbers.least, size), 1)
    long = np.sort(order[:count])
    labels = np.full(size, -1)
    labels[long] = _clustered(
        units[long], windows[long], groups[long], seconds[long], threshold, numbers, _among(links, long)
    )
    labels = _without_small(labels, units, windows, groups, seconds, numbers.least)
    labels = _completed(labels, units, windows, groups, seconds)
    return np.unique(labels, return_inverse=True)[1]


def agglomerate(
    similar: Float[np.ndarray, "N N"],
    apart: Bool[np.ndarray, "N N"],
    weights: Float[np.ndarray, " N"],
    *,
    threshold: float,
    numbers: Numbers,
) -> Int[np.ndarray, " N"]:
    """Joins clusters by the mean of their similarities; `similar` and `apart` are overwritten."""
    size = len(similar)
    labels, weights, count = np.arange(size), weights.astype(np.float64), size
    values = similar - np.float32(APART) * apart
    np.fill_diagonal(values, -np.inf)
    best = values.argmax(1)
    highest = values[np.arange(size), best]
    while count > 1:
        a = int(highest.argmax())
        b = int(best[a])
        wanted = highest[a] >= threshold and count > numbers.least
        if not wanted and count <= numbers.most:
            break
        a, b = min(a, b), max(a, b)
        share = weights[a] / (weights[a] + weights[b])
        similar[a] = share * similar[a] + (1 - share) * similar[b]
        apart[a] |= apart[b]
        similar[:, a], apart[:, a] = similar[a], apart[a]
        alive = np.isfinite(highest)
        alive[b] = False
        row = np.where(alive, similar[a] - np.float32(APART) * apart[a], -np.inf)
        row[a] = -np.inf
        values[a], values[:, a] = row, row
        values[b], values[:, b] = -np.inf, -np.inf
        weights[a] += weights[b]
        labels[labels == b] = a
        highest[b] = -np.inf
        stale = np.flatnonzero(alive & ((best == a) | (best == b)))
        stale = np.append(stale, a)
        best[stale] = values[stale].argmax(1)
        highest[stale] = values[stale, best[stale]]
        closer = alive & (row > highest)
        best[closer], highest[closer] = a, row[closer]
        count -= 1
    return np.unique(labels, return_inverse=True)[1]


def _clustered(
    units: Float[np.ndarray, "N E"],
    windows: Int[np.ndarray, " N"],
    groups: Int[np.ndarray, " N"],
    seconds: Float[np.ndarray, " N"],
    threshold: float,
    numbers: Numbers,
    links: Sequence[tuple[int, int, float]],
) -> Int[np.ndarray, " N"]:
    size = len(units)
    parts = -(-size // PART)
    edges = np.searchsorted(windows, windows[np.linspace(0, size - 1, parts + 1).astype(int)][1:-1]).tolist()
    labels, sums, weights, count = np.zeros(size, np.int64), [], [], 0
    conflicts: list[Any] = []
    for first, last in zip([0, *edges], [*edges, size], strict=True):
        some = np.s_[first:last]
        similar = units[some] @ units[some].T
        for i, j, agreement in links:
            if first <= i < last and first <= j < last:
                similar[i - first, j - first] += LINK * agreement
                similar[j - first, i - first] += LINK * agreement
        apart = (windows[some, None] == windows[None, some]) & (groups[some, None] != groups[None, some])
        limits = numbers if parts == 1 else Numbers(numbers.least, max(PART_CLUSTERS, numbers.least))
        own = agglomerate(similar, apart.copy(), seconds[some], threshold=threshold, numbers=limits)
        belongs = np.eye(own.max() + 1, dtype=np.float32)[own]
        labels[some] = count + own
        sums.append(belongs.T @ (units[some] * seconds[some, None]))
        weights.append(belongs.T @ seconds[some])
        conflicts.append((belongs.T @ apart @ belongs) > 0)
        count += len(weights[-1])
    if parts == 1:
        return labels
    means, weight = np.concatenate(sums), np.concatenate(weights)
    means = means / weight[:, None]
    apart, at = np.zeros((count, count), bool), 0
    for found in conflicts:
        apart[at : at + len(found), at : at + len(found)] = found
        at += len(found)
    return agglomerate(means @ means.T, apart, weight, threshold=threshold, numbers=numbers)[labels]


def _among(links: Sequence[tuple[int, int, float]], chosen: Int[np.ndarray, " M"]) -> list[tuple[int, int, float]]:
    places = {track: place for place, track in enumerate(chosen.tolist())}
    return [(places[i], places[j], share) for i, j, share in links if i in places and j in places]


def _without_small(
    labels: Int[np.ndarray, " N"],
    units: Float[np.ndarray, "N E"],
    windows: Int[np.ndarray, " N"],
    groups: Int[np.ndarray, " N"],
    seconds: Float[np.ndarray, " N"],
    least: int,
) -> Int[np.ndarray, " N"]:
    """Takes the tracks of those who say next to nothing, the least first, if another speaker can have them."""
    labels = labels.copy()
    while True:
        numbers = np.unique(labels[labels >= 0])
        totals = np.array([seconds[labels == number].sum() for number in numbers])
        for number in numbers[np.argsort(totals)][: max(len(numbers) - least, 0)]:
            own = labels == number
            if seconds[own].sum() >= SPEAKER_SECONDS or len(numbers) < 2:
                continue
            free = [other for other in numbers if other != number and not _meet(own, labels == other, windows, groups)]
            if free:
                labels[own] = -1
                break
        else:
            return labels


def _meet(one: Any, other: Any, windows: Int[np.ndarray, " N"], groups: Int[np.ndarray, " N"]) -> bool:
    """Whether two clusters have tracks of different local speakers in one window."""
    keys = set(zip(windows[one].tolist(), groups[one].tolist(), strict=True))
    return any(
        w == v and g != h for w, g in zip(windows[other].tolist(), groups[other].tolist(), strict=True) for v, h in keys
    )


def _completed(
    labels: Int[np.ndarray, " N"],
    units: Float[np.ndarray, "N E"],
    windows: Int[np.ndarray, " N"],
    groups: Int[np.ndarray, " N"],
    seconds: Float[np.ndarray, " N"],
) -> Int[np.ndarray, " N"]:
    """Gives the tracks of each window to different speakers, the nearest ones, as often as speakers' means move."""
    order = np.argsort(windows, kind="stable")
    edges = np.flatnonzero(np.diff(windows[order])) + 1
    labels = np.where(labels < 0, -1, np.searchsorted(np.unique(labels[labels >= 0]), labels))
    for _ in range(REFINEMENTS):
        count = int(labels.max()) + 1
        means = np.zeros((count, units.shape[1]), np.float32)
        known = labels >= 0
        np.add.at(means, labels[known], units[known] * seconds[known, None])
        means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-10)
        new = np.zeros(len(labels), np.int64)
        for some in np.split(order, edges):
            local = np.unique(groups[some])
            scores = units[some] @ means.T
            scores[known[some], labels[some][known[some]]] += STAY
            if len(local) < len(some):  # pieces of a local speaker choose for themselves
                new[some] = np.where(known[some], labels[some], scores.argmax(1))
                continue
            rows, columns = linear_sum_assignment(-scores * np.maximum(seconds[some, None], 0.1))
            new[some] = scores.argmax(1)
            new[some[rows]] = columns
        if len(np.unique(new)) < count:  # somebody would have nothing left
            return np.where(known, labels, new)
        if np.array_equal(new, labels):
            break
        labels = new
    return labels
