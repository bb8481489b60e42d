"""Tests the range and aggregation of confidence measures. tests/parity compares them with NeMo's."""

import itertools

import numpy as np
import pytest

from jaxspeech.search.confidence import aggregate, frame_confidence

MEASURES = list(itertools.product(("max_prob", "gibbs", "tsallis", "renyi"), (0.25, 1.0, 1.3), ("lin", "exp")))


@pytest.mark.parametrize("measure, alpha, normalize", MEASURES)
def test_certainty_is_one_and_the_uniform_distribution_zero(measure, alpha, normalize):
    certain = np.full(50, -np.inf, np.float32)
    certain[7] = 0
    uniform = np.full(50, -np.log(50), np.float32)
    between = np.log(np.full(50, 0.1 / 49)).astype(np.float32)
    between[3] = np.log(0.9)
    found = frame_confidence(np.stack([certain, between, uniform]), measure=measure, alpha=alpha, normalize=normalize)
    np.testing.assert_allclose(found[::2], [1, 0], atol=1e-4)
    assert 1e-4 < found[1] < 1 or (alpha < 1 and normalize == "exp")  # exponential forms are near 0 except at certainty


def test_aggregation():
    values = [0.5, 0.8, 0.2, 1.0]
    spans = [(0, 2), (2, 3), (1, 4)]
    assert aggregate(values, spans) == [0.5, 0.2, 0.2]
    assert aggregate(values, spans, how="max") == [0.8, 0.2, 1.0]
    np.testing.assert_allclose(aggregate(values, spans, how="mean"), [0.65, 0.2, 2 / 3])
    np.testing.assert_allclose(aggregate(np.array(values), spans, how="prod"), [0.4, 0.2, 0.16])


@pytest.mark.parametrize("measure, alpha, normalize", [*MEASURES, ("gibbs", 2.0, "exp"), ("gibbs", 2.0, "lin")])
def test_confidence_stays_within_0_and_1(measure, alpha, normalize):
    logits = np.random.default_rng(0).normal(size=(500, 30)) * np.linspace(0, 8, 500)[:, None]
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    found = frame_confidence(log_probs, measure=measure, alpha=alpha, normalize=normalize)
    assert found.min() >= 0 and found.max() <= 1
