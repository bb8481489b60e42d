"""Scores of verification trials: pairs of recordings, of the same speaker (targets) or not.

miss(t) = share of targets with a score below t;   false alarm(t) = share of the others with a score of t or more
EER = the rate at which both are equal
minDCF = min_t (C_miss P miss(t) + C_fa (1 - P) fa(t)) / min(C_miss P, C_fa (1 - P))
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxspeech.errors import ManifestError
from jaxspeech.evaluation.evaluation import Evaluation, Fields, Scores
from jaxspeech.text.classes import class_name

# The pairs of more recordings would take gigabytes: of larger sets, as many are taken at even distances.
MOST_RECORDINGS = 4000
# Prior of the same speaker in minDCF, as in VoxSRC.
TARGET_PRIOR = 0.05


class Rates(NamedTuple):
    """The error rates at each threshold, from the lowest to one above all scores."""

    thresholds: Float[np.ndarray, " N"]
    misses: Float[np.ndarray, " N"]
    false_alarms: Float[np.ndarray, " N"]


class EqualErrors(NamedTuple):
    """The rate at which misses and false alarms are equal, and the threshold at which they are."""

    rate: float
    threshold: float


def error_rates(scores: Float[np.ndarray, " N"], targets: Bool[np.ndarray, " N"]) -> Rates:
    """Computes the points of the DET curve.

    Args:
      scores: of the trials; higher for the same speaker.
      targets: whether they are of the same speaker.

    Raises:
      ManifestError: there is no trial of the same speaker, or none of different ones.
    """
    scores, targets = np.asarray(scores, np.float64), np.asarray(targets, bool)
    if targets.all() or not targets.any():
        kind = "different speakers" if len(targets) and targets.all() else "the same speaker"
        raise ManifestError(f"none of {len(targets)} trials is of {kind}; error rates need trials of both kinds")
    thresholds, place = np.unique(scores, return_inverse=True)
    same, other = (np.bincount(place[kind], minlength=len(thresholds)) for kind in (targets, ~targets))
    misses = np.concatenate([[0], same.cumsum()]) / same.sum()
    false_alarms = 1 - np.concatenate([[0], other.cumsum()]) / other.sum()
    return Rates(np.append(thresholds, np.nextafter(thresholds[-1], np.inf)), misses, false_alarms)


def equal_errors(rates: Rates) -> EqualErrors:
    """Finds the equal error rate by interpolation between the two points around it."""
    after = int(np.argmax(rates.misses >= rates.false_alarms))
    before = max(after - 1, 0)
    gaps = rates.misses[[before, after]] - rates.false_alarms[[before, after]]
    part = 1.0 if gaps[1] == gaps[0] else -gaps[0] / (gaps[1] - gaps[0])
    rate, threshold = (
        float(values[before] + part * (values[after] - values[before])) for values in (rates.misses, rates.thresholds)
    )
    return EqualErrors(rate, threshold)


def min_dcf(
    rates: Rates, *, prior: float = TARGET_PRIOR, miss_cost: float = 1.0, false_alarm_cost: float = 1.0
) -> float:
    """Computes the least detection cost of any threshold; 1 is that of deciding without listening."""
    miss, false_alarm = miss_cost * prior, false_alarm_cost * (1 - prior)
    costs = miss * rates.misses + false_alarm * rates.false_alarms
    return float(costs.min() / min(miss, false_alarm))


def verification_scores(*, field: str = "label") -> Evaluation:
    """Returns the evaluation of embeddings [B E]: all pairs of a set are its trials, and their scores are cosines.

    Args:
      field: of the manifest, that names the speaker; examples without one are left out.
    """

    def collect(embeddings: Any, batch: Any) -> list[list[float]]:
        del batch
        length = np.linalg.norm(embeddings, axis=-1, keepdims=True)
        return (embeddings / np.maximum(length, 1e-12)).astype(np.float32).tolist()

    def rates(found: Mapping[int, list[float]], fields: Mapping[int, Fields]) -> Rates | None:
        named = {index: name for index in found if (name := class_name(fields[index], field)) is not None}
        chosen = sorted(named)
        if len(chosen) > MOST_RECORDINGS:
            chosen = [chosen[i] for i in np.linspace(0, len(chosen) - 1, MOST_RECORDINGS).astype(int)]
        names = np.unique([named[index] for index in chosen], return_inverse=True)[1]
        vectors = np.array([found[index] for index in chosen], np.float32)
        one, other = np.triu_indices(len(chosen), 1)
        targets = names[one] == names[other]
        if not len(targets) or targets.all() or not targets.any():
            return None
        return error_rates((vectors @ vectors.T)[one, other], targets)

    def score(found: Mapping[int, list[float]], fields: Mapping[int, Fields]) -> dict[str, float]:
        points = rates(found, fields)
        if points is None:
            return {}
        eer = equal_errors(points)
        return {"eer": eer.rate, "min_dcf": min_dcf(points), "threshold": eer.threshold}

    def show(scores: Scores) -> str:
        if "eer" not in scores:
            return "no EER (it takes two speakers, one with two recordings)"
        return f"EER {scores['eer']:.2%}, minDCF {scores['min_dcf']:.3f}"

    def sample(found: list[float], fields: Fields) -> str:
        return f"  speaker: {class_name(fields, field) or ''}, embedding of {len(found)} numbers"

    return Evaluation(True, collect, score, show, sample, identity=(field,), shares=("eer",), rates=rates)
