"""Scores of confidences against loops over pairs, thresholds and bins."""

import numpy as np
import pytest

from jaxspeech.evaluation.confidence import auc_roc, average_precision, confidence_scores, reliability, youden_curve
from jaxspeech.evaluation.judged_words import judged
from jaxspeech.text.normalizers import find_normalizer


def words():
    """Whether each of 200 words is right, and its confidence, with ties."""
    rng = np.random.default_rng(0)
    sure = np.round(rng.random(200), 2)
    return (rng.random(200) < sure).astype(int), sure


def test_areas_by_brute_force():
    right, sure = words()
    pairs = [(a, b) for a in sure[right == 1] for b in sure[right == 0]]
    assert auc_roc(right, sure) == pytest.approx(np.mean([(a > b) + 0.5 * (a == b) for a, b in pairs]))
    area, recall = 0.0, 0.0
    for threshold in sorted(set(sure), reverse=True):
        hits, found = right[sure >= threshold].sum(), (sure >= threshold).sum()
        area, recall = area + (hits / right.sum() - recall) * hits / found, hits / right.sum()
    assert average_precision(right, sure) == pytest.approx(area)
    shares = [[(sure[right == kind] < x).mean() for x in np.linspace(0, 1, 11)] for kind in (0, 1)]
    np.testing.assert_allclose(youden_curve(right, sure, bins=10), np.abs(np.subtract(*shares)))


def test_entropy_and_calibration():
    right, _ = words()
    found = confidence_scores(right, np.full(200, right.mean()))
    assert found.nce == pytest.approx(0.0, abs=1e-12) and found.ece == pytest.approx(0.0, abs=1e-12)
    certain = confidence_scores(right, right.astype(float))
    assert certain.nce == pytest.approx(1.0) and certain.auc_roc == certain.auc_pr == certain.auc_nt == 1.0
    inverted = confidence_scores(right, 1.0 - right)
    assert inverted.nce < -10 and inverted.ece == pytest.approx(1.0) and inverted.auc_roc == 0.0
    bins = reliability(np.array([1, 0, 1]), np.array([0.0, 0.1, 0.95]))
    assert [(x.low, x.count, x.accuracy) for x in bins] == [(0.0, 2, 0.5), (0.9, 1, 1.0)]


def test_words_of_one_kind_have_no_areas():
    found = confidence_scores(np.array([1, 1]), np.array([0.5, 1.0]))
    assert found.nce is found.auc_roc is found.auc_yc is None and found.ece == pytest.approx(0.25)


def test_words_are_judged_by_the_alignment():
    basic = find_normalizer("basic").by_word
    heard = [[("The", 0.9), ("cat", 0.8), ("well-known", 0.3), ("!", 0.1)], [("x", 0.5)]]
    right, sure = judged(["the dog, well known", ""], heard, by_word=basic)
    assert right.tolist() == [1, 0, 1, 1, 0] and sure.tolist() == [0.9, 0.8, 0.3, 0.3, 0.5]
