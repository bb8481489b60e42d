"""How well confidences tell right words from wrong ones, and whether 80 % of the words with confidence 0.8 are right.

With y = 1 for a right word, 0 for a wrong one, q its confidence and p = mean(y):

    NCE     = (H(p) - cross entropy of y and q) / H(p): 1 is perfect, 0 is what the mean says, below 0 is worse
    AUC-ROC = probability that a right word has more confidence than a wrong one
    AUC-PR  = average precision of finding the right words;  AUC-NT of finding the wrong ones
    ECE     = mean over words of |share of right words - mean confidence| of the word's bin
    AUC-YC  = mean over thresholds of |wrong words below - right words below|, as shares; with its deviation and maximum

NeMo's ECE (`nemo_ece`) has bins of the confidence in a decision, whose threshold differs from bin to bin; the usual one
(Guo et al., 2017) is `expected_calibration_error`, which the reliability plot shows.

Sources: Siu, Gish, Richardson, 1997 (NCE); NeMo asr/parts/utils/confidence_metrics.py, to whose values these are equal.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

BINS, NEMO_BINS = 10, 100
# The cross entropy of a confidence of exactly 0 or 1 is limited by this.
EPSILON = float(np.finfo(np.float64).eps)

Right = Int[np.ndarray, " N"]
Confidence = Float[np.ndarray, " N"]


class Reliability(NamedTuple):
    """The words of one bin of confidence: how many, their mean confidence, and the share that is right."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


class ConfidenceScores(NamedTuple):
    """The quality of confidences; a value is None where words of one kind are missing."""

    words: int
    right: int
    nce: float | None
    auc_roc: float | None
    auc_pr: float | None
    auc_nt: float | None
    auc_yc: float | None
    yc_std: float | None
    yc_max: float | None
    ece: float
    nemo_ece: float


def confidence_scores(right: Right, confidence: Confidence) -> ConfidenceScores:
    """Computes all scores of N words, of which there is at least one.

    Args:
      right: 1 for right words, 0 for wrong ones.
      confidence: of each, 0 to 1.
    """
    right, confidence = np.asarray(right, np.int64), np.clip(np.asarray(confidence, np.float64), 0.0, 1.0)
    both = 0 < right.sum() < len(right)
    youden = youden_curve(right, confidence) if both else None
    return ConfidenceScores(
        words=len(right),
        right=int(right.sum()),
        nce=normalized_cross_entropy(right, confidence) if both else None,
        auc_roc=auc_roc(right, confidence) if both else None,
        auc_pr=average_precision(right, confidence) if both else None,
        auc_nt=average_precision(1 - right, 1 - confidence) if both else None,
        auc_yc=None if youden is None else float(youden.mean()),
        yc_std=None if youden is None else float(youden.std()),
        yc_max=None if youden is None else float(youden.max()),
        ece=expected_calibration_error(right, confidence),
        nemo_ece=nemo_ece(right, confidence),
    )


def normalized_cross_entropy(right: Right, confidence: Confidence) -> float:
    """NCE of words of both kinds."""
    share = float(right.mean())
    entropy = -(share * math.log(share) + (1 - share) * math.log(1 - share))
    sure = np.clip(confidence, EPSILON, 1 - EPSILON)
    cross = -float(np.where(right == 1, np.log(sure), np.log1p(-sure)).mean())
    return (entropy - cross) / entropy


def auc_roc(right: Right, confidence: Confidence) -> float:
    """The area under the ROC curve, by the ranks of the right words; equal confidences count half."""
    place = np.unique(confidence, return_inverse=True)[1]
    counts = np.bincount(place)
    ranks = (counts.cumsum() - (counts - 1) / 2)[place]
    hits = int(right.sum())
    return float((ranks[right == 1].sum() - hits * (hits + 1) / 2) / (hits * (len(right) - hits)))


def average_precision(wanted: Right, score: Confidence) -> float:
    """The sum over thresholds of precision times the gain in recall."""
    thresholds, place = np.unique(-score, return_inverse=True)
    hits = np.bincount(place, weights=wanted, minlength=len(thresholds))
    found = np.bincount(place, minlength=len(thresholds)).cumsum()
    return float((hits * hits.cumsum() / found).sum() / wanted.sum())


def youden_curve(right: Right, confidence: Confidence, *, bins: int = NEMO_BINS) -> Float[np.ndarray, " thresholds"]:
    """|share of wrong words below - share of right words below| at each of bins + 1 thresholds from 0 to 1."""
    thresholds = np.linspace(0, 1, bins + 1)
    shares = [
        np.searchsorted(np.sort(confidence[right == kind]), thresholds) / (right == kind).sum() for kind in (0, 1)
    ]
    return np.abs(shares[0] - shares[1])


def reliability(right: Right, confidence: Confidence, *, bins: int = BINS) -> list[Reliability]:
    """The bins (low, high] of equal width that hold words; the first one holds 0 too."""
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    found = []
    for i in np.unique(place).tolist():
        inside = place == i
        sure, accuracy = float(confidence[inside].mean()), float(right[inside].mean())
        found.append(Reliability(i / bins, (i + 1) / bins, int(inside.sum()), sure, accuracy))
    return found


def expected_calibration_error(right: Right, confidence: Confidence, *, bins: int = BINS) -> float:
    """The mean over words of |share of right words - mean confidence| of the word's bin."""
    parts = reliability(right, confidence, bins=bins)
    return sum(part.count * abs(part.accuracy - part.confidence) for part in parts) / len(right)


def nemo_ece(right: Right, confidence: Confidence, *, bins: int = NEMO_BINS) -> float:
    """NeMo's ECE: a word is called right in the bin (a, b] if its confidence is at least (a + b) / 2."""
    gaps, total = 0.0, 0
    for i in range(bins):
        low, high = i / bins, (i + 1) / bins
        called = confidence >= (low + high) / 2
        sure = np.where(called, confidence, 1 - confidence)
        inside = (sure > low) & (sure <= high)
        if count := int(inside.sum()):
            gaps += abs(float((called == right)[inside].sum()) - float(sure[inside].sum()))
            total += count
    return gaps / total if total else 0.0
