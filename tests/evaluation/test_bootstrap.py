"""Intervals against a plain loop over drawn sets, and against the rates that they must cover."""

import numpy as np

from jaxspeech.evaluation import bootstrap
from jaxspeech.evaluation.bootstrap import difference, interval
from jaxspeech.text.error_rate import ErrorCounts

RNG = np.random.default_rng(0)
COUNTS = [ErrorCounts(int(RNG.binomial(n, 0.2)), 0, 0, int(n)) for n in RNG.integers(0, 30, 80)]


def test_interval_is_that_of_sets_drawn_one_by_one(monkeypatch):
    draws = np.random.default_rng(bootstrap.SEED).integers(0, len(COUNTS), (300, len(COUNTS)))
    rates = [sum(COUNTS[i].errors for i in row) / sum(COUNTS[i].length for i in row) for row in draws]
    low, high = interval(COUNTS, samples=300)
    np.testing.assert_allclose([low, high], np.quantile(rates, [0.025, 0.975]))
    assert interval(COUNTS, samples=300, seed=1) != (low, high)
    monkeypatch.setattr(bootstrap, "MOST_AT_ONCE", 7 * len(COUNTS))  # in parts, with the same draws
    np.testing.assert_allclose(interval(COUNTS, samples=300), [low, high])


def test_difference_of_two_systems_is_on_the_same_sets():
    worse = [counts._replace(substitutions=counts.substitutions + 1) for counts in COUNTS]
    low, high = difference(COUNTS, worse)
    mean = len(COUNTS) / sum(counts.length for counts in COUNTS)
    assert 0.8 * mean < low < mean < high < 1.25 * mean  # every set has one error more for each utterance
    assert difference(COUNTS, COUNTS) == (0.0, 0.0)


def test_without_words_there_is_no_interval():
    assert interval([]) is None and interval([ErrorCounts(0, 2, 0, 0)]) is None and difference([], []) is None
    some = interval([ErrorCounts(0, 1, 0, 0), ErrorCounts(0, 0, 0, 3)])
    assert some is not None and some.low == 0.0 and np.isfinite(some.high)
