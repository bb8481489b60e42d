"""Scores who spoke when: the diarization error rate and its parts, the Jaccard error rate, the number of speakers.

    DER = (missed + false alarm + confusion) / scored

by the rules of NIST's md-eval-22 (and NeMo 3.0.0's port, md_eval.py): time is cut at every boundary, and in each piece
with R reference and H found speakers, of whom C are mapped to each other, missed is max(R - H, 0), false alarm
max(H - R, 0), confusion min(R, H) - C, scored R, each times the length of the piece. The map of speakers is one to one,
has the greatest time in common, and is made before collars and overlap are left out. A collar is left out on both sides
of every reference boundary. Overlap is time with two or more reference turns.

    JER = mean over reference speakers of 1 - |both| / |either|, with the map that makes it least; 1 for those without

(N. Ryant et al., The Second DIHARD Challenge, 2019), over all the scored stretches, with overlap, without collars.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment

from jaxspeech.diarization.turns import Turn


class DiarizationErrors(NamedTuple):
    """The errors of one recording, or of several; times in seconds of speakers, two at a time counting twice.

    Attributes:
      scored: time of the reference's speakers.
      missed, false_alarm, confusion: the parts of the error.
      jaccard: sum over the reference's speakers of their Jaccard errors.
      speakers: number of the reference's speakers.
      found: number of speakers that were found.
      count_errors: differences of these numbers, of each recording.
      recordings: number of recordings.
    """

    scored: float = 0.0
    missed: float = 0.0
    false_alarm: float = 0.0
    confusion: float = 0.0
    jaccard: float = 0.0
    speakers: int = 0
    found: int = 0
    count_errors: int = 0
    recordings: int = 0

    @property
    def der(self) -> float:
        """The diarization error rate; without reference speech 0, or inf with errors."""
        return _share(self.missed + self.false_alarm + self.confusion, self.scored)

    @property
    def jer(self) -> float:
        """The Jaccard error rate, the mean over all speakers; without any 0, or 1 where some were found."""
        return self.jaccard / self.speakers if self.speakers else float(self.found > 0)

    def share(self, seconds: float) -> float:
        """Divides one of the parts by the scored time."""
        return _share(seconds, self.scored)


def total(errors: Sequence[DiarizationErrors]) -> DiarizationErrors:
    """Adds the errors of recordings."""
    return DiarizationErrors(*map(sum, zip(*errors, strict=True))) if errors else DiarizationErrors()


def diarization_errors(
    reference: Sequence[Turn],
    found: Sequence[Turn],
    *,
    collar: int | float = 0.0,
    skip_overlap: bool = False,
    scored: Sequence[tuple[float, float]] | None = None,
) -> DiarizationErrors:
    """Scores the turns of one recording.

    Args:
      reference: the true turns; those without a duration do not count.
      found: the turns to score.
      collar: time that is left out on each side of a reference boundary, in seconds: half of pyannote's.
      skip_overlap: leave out time with several reference turns.
      scored: (start, end) of the stretches that are scored, in seconds (a UEM); None: from the first to the last
        boundary of both.
    """
    truth, guess = _Turns(reference), _Turns(found)
    if scored is None:
        both = np.concatenate([truth.times, guess.times])
        stretches = np.array([[both.min(), both.max()]]) if len(both) else np.zeros((0, 2))
    else:
        stretches = np.asarray(scored, np.float64).reshape(-1, 2)
    boundaries = truth.times.reshape(-1, 1)
    collars = boundaries + np.array([[-collar, collar]]) if collar > 0 else np.zeros((0, 2))
    edges = np.unique(np.concatenate([x.ravel() for x in (truth.times, guess.times, stretches, collars)]))
    if len(edges) < 2:
        return DiarizationErrors(recordings=1)
    seconds = np.diff(edges)
    evaluated = seconds * (_covered(stretches, edges) > 0)
    speaks, claims = truth.activity(edges), guess.activity(edges)
    common = (speaks * evaluated) @ claims.T
    paired = _pairs(common)
    kept = evaluated * (_covered(collars, edges) == 0)
    if skip_overlap:
        kept = kept * (_covered(truth.times, edges) < 2)
    right = (speaks[paired[0]] & claims[paired[1]]).sum(0)
    spoken, claimed = speaks.sum(0), claims.sum(0)
    times, claim_times = speaks @ evaluated, claims @ evaluated
    speakers, number = int((times > 0).sum()), int((claim_times > 0).sum())
    return DiarizationErrors(
        scored=float(kept @ spoken),
        missed=float(kept @ np.maximum(spoken - claimed, 0)),
        false_alarm=float(kept @ np.maximum(claimed - spoken, 0)),
        confusion=float(kept @ (np.minimum(spoken, claimed) - right)),
        jaccard=_jaccard(common, times, claim_times),
        speakers=speakers,
        found=number,
        count_errors=abs(speakers - number),
        recordings=1,
    )


class _Turns:
    """The turns of a recording as arrays: times [N 2], and the number of the speaker of each, sorted by name."""

    def __init__(self, turns: Sequence[Turn]):
        turns = [turn for turn in turns if turn.end > turn.start]
        self.times = np.array([(turn.start, turn.end) for turn in turns], np.float64).reshape(-1, 2)
        self.names, self.numbers = np.unique([turn.speaker for turn in turns], return_inverse=True)

    def activity(self, edges: Float[np.ndarray, " M"]) -> Bool[np.ndarray, "S M-1"]:
        """Whether each speaker speaks in each piece of time."""
        rows = [_covered(self.times[self.numbers == i], edges) > 0 for i in range(len(self.names))]
        return np.array(rows, bool).reshape(-1, len(edges) - 1)


def _covered(spans: Float[np.ndarray, "N 2"], edges: Float[np.ndarray, " M"]) -> Int[np.ndarray, " M-1"]:
    """How many of the spans, whose boundaries are among the edges, cover each piece of time."""
    change = np.zeros(len(edges), np.int64)
    np.add.at(change, np.searchsorted(edges, spans[:, 0]), 1)
    np.add.at(change, np.searchsorted(edges, spans[:, 1]), -1)
    return np.cumsum(change)[:-1]


def _pairs(common: Float[np.ndarray, "R H"]) -> tuple[Int[np.ndarray, " P"], Int[np.ndarray, " P"]]:
    """The one-to-one map with the greatest time in common; without speakers who have none with anybody."""
    rows, columns = np.flatnonzero(common.any(1)), np.flatnonzero(common.any(0))
    row, column = linear_sum_assignment(-common[np.ix_(rows, columns)])
    row, column = rows[row], columns[column]
    kept = common[row, column] > 0
    return row[kept], column[kept]


def _jaccard(
    common: Float[np.ndarray, "R H"], times: Float[np.ndarray, " R"], claims: Float[np.ndarray, " H"]
) -> float:
    """The sum of the Jaccard errors of the speakers who speak in the scored stretches."""
    common, times, claims = common[np.ix_(times > 0, claims > 0)], times[times > 0], claims[claims > 0]
    shared = common / (times[:, None] + claims - common)
    row, column = linear_sum_assignment(-shared)
    return float(len(times) - shared[row, column].sum())


def _share(seconds: float, scored: float) -> float:
    if scored > 0:
        return seconds / scored
    return math.inf if seconds > 0 else 0.0
