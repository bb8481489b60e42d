"""Tests the scores of frames against counts of single frames."""

from types import SimpleNamespace

import numpy as np

from jaxspeech.evaluation.frames import frame_scores

RNG = np.random.default_rng(0)


def test_frames_are_counted_up_to_the_shorter_of_labels_and_frames():
    evaluation = frame_scores(["background", "speech"])
    probs = RNG.random((2, 9, 2))
    label, batch_frames = RNG.integers(0, 2, (2, 8)), np.array([9, 4])
    label[1, 5:] = 10**6  # padding
    batch = SimpleNamespace(label=label, num_label=np.array([8, 5]))
    found = evaluation.collect((probs, batch_frames), batch)
    truth = np.concatenate([label[0], label[1, :4]])
    guess = np.concatenate([probs[0, :8].argmax(1), probs[1, :4].argmax(1)])
    scores = evaluation.score(dict(enumerate(found)), {})
    assert scores["accuracy"] == (truth == guess).mean()
    np.testing.assert_allclose(scores["detection_error"], (truth != guess).sum() / (truth == 1).sum())
    assert "DetER" in evaluation.show(scores) and "of 8 frames right" in evaluation.sample(found[0], {})
    assert evaluation.score({0: [[0, 0], [0, 0]]}, {}) == {} and evaluation.show({}).startswith("no accuracy")


def test_of_several_classes_each_is_present_or_absent():
    evaluation = frame_scores(["a", "b"], multi_label=True)
    probs, label = RNG.random((1, 6, 2)), RNG.integers(0, 2, (1, 6, 2)).astype(float)
    [found] = evaluation.collect((probs, np.array([6])), SimpleNamespace(label=label, num_label=np.array([6])))
    scores = evaluation.score({0: found}, {})
    np.testing.assert_allclose(scores["accuracy"], ((probs > 0.5) == (label > 0.5)).mean())
    assert 0 < scores["macro_f1"] <= 1
