"""Joins the words of two neighbouring parts of a recording, in both of which the same seconds were recognised.

left    ... one two | three four fiv          score of a pair of words: 1 if they are equal, less if they are similar,
right         too | three four five six ...   and the less the further apart they are in time; below 0 if they differ
joined  ... one two   three four five six

The best alignment of the left part's last words with the right part's first ones is found by dynamic programming. Equal
words are written once; between them the part with more words is written, at the beginning the left one, as there the
right one may begin within a word, and at the end the right one. Parts without a word in common are written one after
the other: rather twice than not at all.
"""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from rapidfuzz.distance import Levenshtein

from jaxspeech.text.canonical import comparable

EQUAL, SIMILAR, DIFFERENT, MISSING = 1.0, 0.3, -0.3, -0.5
# Similar words differ in at most this share of their letters.
EDITS = 1 / 3


class Part(NamedTuple):
    """Words of one part.

    Attributes:
      words: in order.
      times: when each was said, in seconds from the beginning of the recording.
    """

    words: Sequence[str]
    times: Sequence[float] | Float[np.ndarray, " N"]


class Seam(NamedTuple):
    """How two parts are joined.

    Attributes:
      left: number of the first word of the left part that the seam decides about; the earlier ones are kept.
      right: number of the first word of the right part after the seam; it and the later ones are kept.
      kept: what is between: (0 for the left part or 1 for the right one, the word's number), in order.
      found: whether the parts have words in common.
    """

    left: int
    right: int
    kept: tuple[tuple[int, int], ...] = ()
    found: bool = False


def find_seam(left: Part, right: Part, *, per_second: float) -> Seam:
    """Finds how the end of one part and the beginning of the next one are joined.

    Args:
      left, right: the words that may be in both parts.
      per_second: how much the score of equal or similar words sinks with each second between them: more where times are
        exact.
    """
    apart = Seam(len(left.words), 0)
    if not left.words or not right.words:
        return apart
    likeness = _likeness(left.words, right.words)
    distance = np.abs(np.subtract.outer(np.asarray(left.times, float), np.asarray(right.times, float)))
    near = likeness - per_second * distance > DIFFERENT
    likeness = np.where(near, likeness, DIFFERENT)
    pairs = np.where(likeness > 0, likeness - per_second * distance, DIFFERENT)
    path = _path(pairs)
    common = [likeness[i, j] for i, j in path if i is not None and j is not None and likeness[i, j] > 0]
    if not common or (len(common) == 1 and common[0] < EQUAL):  # one word that is only similar may be chance
        return apart
    begin = next(i for i, _ in path if i is not None)
    end = 1 + max(j for _, j in path if j is not None)
    return Seam(begin, end, tuple(_resolved(path, likeness)), found=True)


def _path(pairs: np.ndarray) -> list[tuple[int | None, int | None]]:
    """The best alignment of the last left words with the first right ones; None is a word that one side lacks."""
    n, m = pairs.shape
    score = np.zeros((n + 1, m + 1))
    score[0] = MISSING * np.arange(m + 1)
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            paired = score[i - 1, j - 1] + pairs[i - 1, j - 1]
            score[i, j] = max(paired, score[i - 1, j] + MISSING, score[i, j - 1] + MISSING)
    i, j = n, int(np.argmax(score[n]))
    path: list[tuple[int | None, int | None]] = []
    while j > 0:  # the left words before it are in the left part alone
        if i > 0 and score[i, j] == score[i - 1, j - 1] + pairs[i - 1, j - 1]:
            i, j = i - 1, j - 1
            path.append((i, j))
        elif i > 0 and score[i, j] == score[i - 1, j] + MISSING:
            i -= 1
            path.append((i, None))
        else:
            j -= 1
            path.append((None, j))
    return path[::-1]


def _resolved(path: Sequence[tuple[int | None, int | None]], likeness: np.ndarray) -> list[tuple[int, int]]:
    """The words that are written, from an alignment."""
    kept: list[tuple[int, int]] = []
    lefts: list[int] = []
    rights: list[int] = []
    seen = False  # whether there was a word in common
    for place, (i, j) in enumerate(path):
        if i is not None and j is not None and likeness[i, j] > 0:
            kept += _chosen(lefts, rights, side=int(seen and len(rights) > len(lefts)))
            kept.append((0, i) if 2 * place < len(path) else (1, j))
            lefts, rights, seen = [], [], True
        else:
            lefts += [] if i is None else [i]
            rights += [] if j is None else [j]
    return kept + _chosen(lefts, rights, side=1)


def _chosen(lefts: list[int], rights: list[int], *, side: int) -> list[tuple[int, int]]:
    """The words of one side; of the other one, if that side has none."""
    both = lefts, rights
    side = side if both[side] else 1 - side
    return [(side, word) for word in both[side]]


def _likeness(left: Sequence[str], right: Sequence[str]) -> np.ndarray:
    lefts, rights = [_letters(word) for word in left], [_letters(word) for word in right]
    return np.array([[_alike(a, b) for b in rights] for a in lefts])


def _alike(a: str, b: str) -> float:
    if a == b:
        return EQUAL
    if any(map(str.isdigit, a + b)):  # 17 and 18 are not the same word
        return DIFFERENT
    return SIMILAR if Levenshtein.distance(a, b) <= EDITS * max(len(a), len(b)) else DIFFERENT


def _letters(word: str) -> str:
    """A word as it is compared: without case and punctuation, unless it has nothing else."""
    folded = comparable(word).casefold()
    return "".join(char for char in folded if unicodedata.category(char)[0] not in "PZ") or folded
