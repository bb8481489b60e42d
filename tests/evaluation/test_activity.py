"""Tests the scores of speakers' activity: frames in the best order, turns against those of the lines."""

from types import SimpleNamespace

import numpy as np
import pytest

from jaxspeech.diarization.turns import Turn
from jaxspeech.evaluation.activity import activity_scores, best_columns, plain_turns

TURNS = [[0.0, 4.0, "a"], [3.2, 8.0, "b"]]


def find_turns(probs, seconds):
    """Each column's frames from the first active one to the last; frames of 0.8 s."""
    active = [np.flatnonzero(probs[:, s] > 0.5) for s in range(probs.shape[1])]
    return [Turn(0.8 * x[0], min(0.8 * (x[-1] + 1), seconds), f"s{s}") for s, x in enumerate(active) if len(x)]


def found(columns, *, rows=1):
    """The evaluation, its results for the same probabilities in each row, and the batch: 10 frames, 8 s."""
    probs = np.zeros((rows, 12, 3), np.float32)
    for s, frames in enumerate(columns):
        probs[:, frames, s] = 0.9
    truth = np.zeros((rows, 12, 3), np.float32)
    truth[:, :5, 0], truth[:, 4:10, 1] = 1, 1
    batch = SimpleNamespace(
        activity=truth, num_activity=np.full(rows, 10), num_samples=np.full(rows, 128_000), index=np.arange(rows)
    )
    evaluation = activity_scores(find_turns, sample_rate=16000, collar=0.0)
    return evaluation, dict(enumerate(evaluation.collect((probs, np.full(rows, 11)), batch)))


def test_a_perfect_answer_in_any_order():
    evaluation, results = found([slice(4, 10), slice(0, 0), slice(0, 5)])
    scores = evaluation.score(results, {0: {"turns": TURNS}})
    assert scores == pytest.approx(
        {"der": 0, "f1": 1, "accuracy": 1, "missed": 0, "false_alarm": 0, "confusion": 0, "count_error": 0}
    )
    assert evaluation.show(scores) == "DER 0.0%, F1 100.0%"
    assert "true: 2 speakers\n  found: 2 speakers, DER 0.0%" in evaluation.sample(results[0], {"turns": TURNS})


def test_errors_of_frames_and_turns():
    # One frame of a is missed, and a third speaker is made up for two frames.
    evaluation, results = found([slice(0, 4), slice(4, 10), slice(8, 10)])
    scores = evaluation.score(results, {0: {"turns": TURNS}})
    assert scores["f1"] == pytest.approx(20 / 23) and scores["accuracy"] == pytest.approx(1 - 3 / 30)
    assert scores["missed"] == pytest.approx(0.8 / 8.8) and scores["false_alarm"] == pytest.approx(1.6 / 8.8)
    assert scores["der"] == pytest.approx(2.4 / 8.8) and scores["count_error"] == 1


def test_turns_of_a_part_and_speakers_without_a_column():
    evaluation, results = found([slice(0, 5), slice(4, 10)])
    shifted = [[start + 100, end + 100, speaker] for start, end, speaker in TURNS]
    line = {"offset": 100.0, "turns": [[0, 100, "x"], *shifted, [107, 150, "c"]]}
    scores = evaluation.score(results, {0: line})
    assert scores["missed"] == pytest.approx(1 / 9.8) and scores["f1"] == 1


def test_lines_without_turns_or_speech():
    evaluation, results = found([slice(0, 5)], rows=2)
    assert evaluation.score(results, {0: {}, 1: {}}) == {}
    assert evaluation.show({}) == "no error rate (no line has turns)"
    assert "der" not in evaluation.score(results, {0: {"turns": []}, 1: {}})
    assert evaluation.sample(results[0], {}) == "  found: 1 speakers"
    alone = evaluation.score({0: results[0]}, {0: {"turns": TURNS}})
    assert evaluation.score(results, {0: {"turns": TURNS}, 1: {}}) == alone
    assert evaluation.comparable(alone) == alone["der"] and evaluation.comparable({"f1": 0.5}) == -0.5


def test_best_columns():
    truth = np.array([[1, 0], [1, 0], [0, 1]], bool)
    np.testing.assert_array_equal(best_columns(truth, np.array([[0.1, 0.9], [0.2, 0.4], [0.3, 0.2]])), [1, 0])


def test_plain_turns():
    probs = np.array([[0.9, 0.5], [0.6, 0.7], [0.2, 0.8], [0.7, 0.9]])
    turns = [Turn(0.0, 1.0, "speaker_0"), Turn(1.5, 1.75, "speaker_0"), Turn(0.5, 1.75, "speaker_1")]
    assert plain_turns(probs, 1.75, frame_seconds=0.5) == turns
    assert plain_turns(probs[:0], 0.0, frame_seconds=0.5) == []
