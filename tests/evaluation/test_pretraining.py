"""Tests the scores of masked prediction against counts by hand."""

import math

import numpy as np
import pytest

from jaxspeech.evaluation.pretraining import pretraining_scores
from jaxspeech.tasks.pretrain import PredictedCodes

FOUND = PredictedCodes(
    losses=np.array([6.0, 0.0, 2.0]),
    correct=np.array([1.5, 0.0, 1.0]),
    selected=np.array([3.0, 0.0, 1.0]),
    masked=np.array([24, 0, 8]),
    maskable=np.array([40, 8, 16]),
    ids=np.array(
        [[[0, 5], [0, 5], [1, 5], [9, 9]], [[0, 4], [9, 9], [9, 9], [9, 9]], [[2, 4], [0, 4], [9, 9], [9, 9]]]
    ),
    num_ids=np.array([3, 1, 2]),
)


def test_scores_of_a_set():
    evaluation = pretraining_scores(10)
    rows = evaluation.collect(FOUND, None)
    scores = evaluation.score(dict(enumerate(rows)), {})
    assert next(iter(scores)) == "loss" and evaluation.lower_is_better
    # The first book has 0, 0, 1 | 0 | 2, 0; the second 5, 5, 5 | 4 | 4, 4.
    entropies = [-sum(p * math.log(p) for p in shares) for shares in ((4 / 6, 1 / 6, 1 / 6), (0.5, 0.5))]
    expected = {"loss": 2.0, "accuracy": 2.5 / 4, "mask_share": 0.5, "dead_codes": (0.7 + 0.8) / 2}
    expected["code_perplexity"] = np.mean(np.exp(entropies))
    assert scores == pytest.approx(expected)
    assert evaluation.show(scores) == "masked loss 2.0000, accuracy 62.5%, code perplexity 2.2 of 10"
    assert evaluation.sample(rows[0], {}).startswith("  24 of 40 frames are masked; loss 2.000")
    assert evaluation.sample(rows[1], {}) == "  nothing is masked"
    assert evaluation.score({1: rows[1]}, {}) == {}
    assert evaluation.show({}) == "no score (nothing is masked)"
