"""Tests the DET curve: its points lie at the error rates of each threshold, on axes of normal deviates."""

import re
from unittest.mock import Mock

import numpy as np
import pytest
from scipy.stats import norm

from jaxspeech.data.batches import EvaluationBatches
from jaxspeech.evaluation.verification import error_rates, verification_scores
from jaxspeech.report.curves import BOTTOM, LEFT, RIGHT, TOP, WIDTH
from jaxspeech.report.det import HEIGHT, det_curve
from jaxspeech.report.view import PlainView


def points_of(drawing):
    [path] = re.findall(r'points="([^"]*)"', drawing)
    x, y = np.array([pair.split(",") for pair in path.split()], float).T
    return (x - LEFT) / (WIDTH - LEFT - RIGHT), (HEIGHT - BOTTOM - y) / (HEIGHT - TOP - BOTTOM)


def test_normally_distributed_scores_give_a_straight_line_through_the_equal_error_rate():
    """With means 0 and 3 and a deviation of 1, normal deviates of both rates add up to -3."""
    ranks = (np.arange(20000) + 0.5) / 20000
    scores = np.concatenate([norm.ppf(ranks), norm.ppf(ranks) + 3])
    drawing = det_curve(error_rates(scores, np.arange(40000) >= 20000))
    low, high = norm.ppf([0.001, 0.4])
    x, y = (low + share * (high - low) for share in points_of(drawing))
    inside = (x > low + 0.02) & (y > low + 0.02) & (x < high - 0.02) & (y < high - 0.02)
    assert inside.sum() > 200 and len(x) <= 602
    np.testing.assert_allclose(x[inside] + y[inside], -3, atol=0.02)
    eer = norm.cdf(-1.5)
    assert f"equal at {eer:.2%}, threshold 1.50" in drawing
    [(cx, cy)] = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', drawing)
    assert low + (float(cx) - LEFT) / (WIDTH - LEFT - RIGHT) * (high - low) == pytest.approx(-1.5, abs=0.02)
    assert low + (HEIGHT - BOTTOM - float(cy)) / (HEIGHT - TOP - BOTTOM) * (high - low) == pytest.approx(-1.5, abs=0.02)


def test_the_report_of_a_run_shows_the_curve_where_there_are_trials_of_both_kinds():
    evaluation = verification_scores()
    results = dict(enumerate(evaluation.collect(np.random.default_rng(0).standard_normal((6, 3)), None)))

    def section(speakers):
        data = Mock(spec=EvaluationBatches)
        data.fields, data.name = lambda index: {"label": speakers[index]}, str
        return PlainView(evaluation).section({}, data, results)

    eer = evaluation.score(results, {i: {"label": "aabbcc"[i]} for i in range(6)})["eer"]
    assert f"equal at {eer:.2%}" in section("aabbcc") and "<polyline" not in section("aaaaaa")


@pytest.mark.parametrize("scores", [[0.1, 0.9], [0.9, 0.1], [0.5, 0.5]], ids=["perfect", "reversed", "equal"])
def test_the_curve_stays_within_the_axes(scores):
    x, y = points_of(det_curve(error_rates(np.array(scores), np.array([False, True]))))
    assert x.min() >= 0 and x.max() <= 1 and y.min() >= 0 and y.max() <= 1
