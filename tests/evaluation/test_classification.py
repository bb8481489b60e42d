"""Tests accuracy and macro F1 against precision and recall of each class."""

import numpy as np

from jaxspeech.evaluation.classification import classification_scores

NAMES = ("no", "yes", "up", "never")
EVALUATION = classification_scores(NAMES)


def test_scores_follow_precision_and_recall():
    rng = np.random.default_rng(0)
    truth, probs = rng.integers(0, 3, 40), rng.random((40, 3))
    probs[np.arange(40), truth] += 0.4
    found = EVALUATION.collect(probs, None)
    fields = {i: {"label": NAMES[number]} for i, number in enumerate(truth)}
    scores = EVALUATION.score(dict(enumerate(found)), fields)
    guess, f1 = probs.argmax(1), []
    for number in range(3):
        hits = (guess == number) & (truth == number)
        precision, recall = hits.sum() / (guess == number).sum(), hits.sum() / (truth == number).sum()
        f1.append(2 * precision * recall / (precision + recall))
    assert scores["accuracy"] == (guess == truth).mean()
    np.testing.assert_allclose(scores["macro_f1"], np.mean(f1))
    assert list(scores) == ["accuracy", "macro_f1"] and EVALUATION.lower_is_better is False
    assert EVALUATION.show({"accuracy": 0.5, "macro_f1": 0.25}) == "accuracy 50.0%, macro F1 25.0%"
    assert EVALUATION.sample("no", {"label": "yes"}) == "  truth: yes\n  found: no"


def test_a_class_that_is_only_found_has_an_f1_of_zero_and_unnamed_examples_do_not_count():
    scores = EVALUATION.score({0: "no", 1: "up", 2: "yes"}, {0: {"label": "no"}, 1: {"label": "no"}, 2: {}})
    assert scores["accuracy"] == 0.5
    np.testing.assert_allclose(scores["macro_f1"], (2 / 3 + 0) / 2)
    assert EVALUATION.score({0: "no"}, {0: {}}) == {} and EVALUATION.show({}) == "no accuracy (no example has a label)"
