"""The matched-pair test of two recognisers: is one better than the other, or is it chance?

References are divided into segments whose errors are independent: where both systems are right about `CONTEXT` words
in a row, a segment ends. With d_i = errors of one system - errors of the other in segment i,

    z = mean(d) / (std(d) / sqrt(segments)),   p = 2 Phi(-|z|)

for the null hypothesis that both have the same error rate. Segments without errors count too, so that a handful of
errors proves nothing. With less than some 50 segments that differ, p is a rough guess.

Source: Gillick and Cox, "Some statistical issues in the comparison of speech recognition algorithms", ICASSP 1989;
NIST's sc_stats calls it MAPSSWE.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from jaxspeech.text.error_rate import word_opcodes

# Right words of both systems that end a segment, as in NIST's program.
CONTEXT = 2


class MatchedPairs(NamedTuple):
    """The result of the test.

    Attributes:
      segments: how many there are.
      differing: segments in which the systems have different numbers of errors.
      mean: errors of the first system less those of the second, per segment.
      z: the statistic; positive where the second system is better.
      p: probability of at least such a difference by chance; 1 where nothing differs.
    """

    segments: int
    differing: int
    mean: float
    z: float
    p: float


def matched_pairs(references: Sequence[str], one: Sequence[str], other: Sequence[str]) -> MatchedPairs:
    """Tests the word errors of two systems on the same utterances.

    Args:
      references: what was said, normalised for scoring.
      one, other: what the systems recognised.
    """
    pairs: list[tuple[int, int]] = []
    for reference, first, second in zip(references, one, other, strict=True):
        pairs += _segments(_errors(reference, first), _errors(reference, second))
    differences = np.array([a - b for a, b in pairs], np.int64)
    count, differing = len(differences), int((differences != 0).sum())
    if count < 2 or not differing:
        return MatchedPairs(count, differing, float(differences.mean()) if count else 0.0, 0.0, 1.0)
    mean, deviation = float(differences.mean()), float(differences.std(ddof=1))
    z = mean / (deviation / math.sqrt(count)) if deviation else math.copysign(math.inf, mean)
    return MatchedPairs(count, differing, mean, z, math.erfc(abs(z) / math.sqrt(2)))


def _errors(reference: str, found: str) -> Int[np.ndarray, " N"]:
    """The errors at each place of a reference: 2 i is before word i, where insertions are, and 2 i + 1 is word i."""
    codes, length = word_opcodes(reference, found)
    errors = np.zeros(2 * length + 1, np.int64)
    for kind, begin, end, start, stop in codes:
        if kind == "insert":
            errors[2 * begin] += stop - start
        elif kind != "equal":
            errors[2 * begin + 1 : 2 * end : 2] += 1
    return errors


def _segments(first: Int[np.ndarray, " N"], second: Int[np.ndarray, " N"]) -> list[tuple[int, int]]:
    """The errors of both systems in each segment of an utterance."""
    found, begin, right = [], 0, 0
    for place in range(len(first)):
        right = right + 1 if not (first[place] or second[place]) else 0
        # A stretch of CONTEXT right words, and the places between them, without an error of either.
        if place % 2 and right >= 2 * CONTEXT - 1:
            found.append((int(first[begin : place + 1].sum()), int(second[begin : place + 1].sum())))
            begin, right = place + 1, 0
    if begin < len(first) and (begin == 0 or first[begin:].any() or second[begin:].any()):
        found.append((int(first[begin:].sum()), int(second[begin:].sum())))
    return found
