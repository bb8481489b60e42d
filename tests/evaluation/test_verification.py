"""Error rates of verification trials against counts of every threshold."""

import numpy as np
import pytest
from scipy.optimize import brentq

from jaxspeech.errors import ManifestError
from jaxspeech.evaluation.verification import equal_errors, error_rates, min_dcf, verification_scores
from jaxspeech.inference.voices import as_norm, unit


def test_rates_equal_counts_at_each_threshold():
    rng = np.random.default_rng(0)
    scores, targets = rng.integers(0, 20, 200) / 20, rng.random(200) < 0.3
    rates = error_rates(scores, targets)
    for threshold, miss, false_alarm in zip(*rates, strict=True):
        assert miss == pytest.approx((scores[targets] < threshold).mean())
        assert false_alarm == pytest.approx((scores[~targets] >= threshold).mean())
    costs = [
        0.05 * (scores[targets] < t).mean() + 0.95 * (scores[~targets] >= t).mean() for t in (*np.unique(scores), 2.0)
    ]
    assert min_dcf(rates) == pytest.approx(min(costs) / 0.05)


def test_equal_error_rate():
    same, other = np.array([0.9, 0.8, 0.7, 0.2]), np.array([0.6, 0.3, 0.1, 0.0])
    found = equal_errors(error_rates(np.concatenate([same, other]), np.arange(8) < 4))
    assert found.rate == pytest.approx(0.25) and 0.3 < found.threshold <= 0.7
    with pytest.raises(ManifestError, match="none of 2 trials is of the same speaker"):
        error_rates(np.array([0.1, 0.2]), np.array([False, False]))


@pytest.mark.parametrize("seed", range(4))
def test_equal_error_rate_and_costs_of_random_trials(seed):
    """Brute force: counts at each threshold, and where the curve through these points crosses that of equal rates.

    scikit-learn's roc_curve has the same points, and gives the same two figures.
    """
    rng = np.random.default_rng(seed)
    targets = rng.random(300) < (0.5, 0.1)[seed % 2]
    scores = rng.standard_normal(300) + (0.5, 0.5, 2.0, 2.0)[seed] * targets
    limits = [np.inf, *sorted(scores, reverse=True)]
    false_alarms = [np.mean([score >= limit for score in scores[~targets]]) for limit in limits]
    misses = [np.mean([score < limit for score in scores[targets]]) for limit in limits]
    eer = brentq(lambda rate: np.interp(rate, false_alarms, misses) - rate, 0, 1)
    rates = error_rates(scores, targets)
    assert equal_errors(rates).rate == pytest.approx(eer, abs=1e-6)
    for prior in (0.01, 0.05, 0.5):
        costs = [prior * miss + (1 - prior) * alarm for miss, alarm in zip(misses, false_alarms, strict=True)]
        assert min_dcf(rates, prior=prior) == pytest.approx(min(costs) / min(prior, 1 - prior))


def test_the_reports_curve_is_that_of_the_scored_trials():
    evaluation = verification_scores()
    rng = np.random.default_rng(0)
    found = dict(enumerate(evaluation.collect(rng.standard_normal((12, 3)), None)))
    fields = {i: {"label": "abc"[i % 3]} for i in range(12)}
    rates = evaluation.rates(found, fields)
    assert equal_errors(rates).rate == evaluation.score(found, fields)["eer"] and len(rates.misses) == 67
    assert evaluation.rates(found, {i: {"label": "a"} for i in range(12)}) is None


def test_all_pairs_of_a_set():
    evaluation = verification_scores(field="speaker")
    vectors = np.array([[2.0, 0.0], [3.0, 0.1], [0.0, 1.0], [0.1, 5.0]])
    found = dict(enumerate(evaluation.collect(vectors, None)))
    fields = {i: {"speaker": name} for i, name in enumerate(("ann", "ann", "bob", "bob"))}
    assert evaluation.score(found, fields)["eer"] == 0
    assert evaluation.score(found, {i: {"speaker": "ann"} for i in range(4)}) == {}


def test_normalised_scores_are_z_scores_of_both_sides():
    rng = np.random.default_rng(1)
    one, other, cohort = (rng.standard_normal((n, 6)) for n in (3, 3, 10))
    scores = (unit(one) * unit(other)).sum(-1)
    sides = [np.sort(unit(x) @ unit(cohort).T, -1)[:, -4:] for x in (one, other)]
    expected = sum((scores - side.mean(-1)) / side.std(-1) for side in sides) / 2
    np.testing.assert_allclose(as_norm(scores, one, other, cohort, top=4), expected, rtol=1e-5)
