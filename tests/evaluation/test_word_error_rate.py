"""Tests the word error rate, the comparison of scores, and old records."""

import numpy as np
import pytest

from jaxspeech.evaluation.evaluation import is_better
from jaxspeech.evaluation.old_records import stated_scores, with_scores
from jaxspeech.evaluation.word_error_rate import word_error_rate
from jaxspeech.search.tokens import Tokens
from jaxspeech.text.char import CharTokenizer
from jaxspeech.training.record import Record

EVALUATION = word_error_rate(CharTokenizer("ab "))


def test_words_are_counted_over_the_whole_set():
    ids = np.array([[0, 2, 1, 9], [1, 9, 9, 9]])
    zeros = np.zeros((2, 4))
    tokens = Tokens(ids, np.array([3, 1]), zeros, zeros, zeros, np.zeros(2))
    heard = EVALUATION.collect(tokens, None)
    assert heard == ["a b", "b"]
    fields = {4: {"text": "a a"}, 7: {"text": "b b"}}
    scores = EVALUATION.score({4: heard[0], 7: heard[1]}, fields)
    assert scores == {"wer": 0.5}  # one substitution and one deletion in four words
    assert EVALUATION.show(scores) == "WER 50.00%" and EVALUATION.sample("b", fields[7]) == "  said:  b b\n  heard: b"
    # No reference has a word: not 0 %, though nothing is wrong, and not infinite.
    assert EVALUATION.score({1: ""}, {1: {}}) == EVALUATION.score({1: "a"}, {1: {}}) == {}
    assert EVALUATION.show({}) == "no WER (no reference has a word)" and EVALUATION.comparable({}) is None


@pytest.mark.parametrize(("lower", "best"), [(True, 0.2), (False, 0.4)])
def test_the_first_score_selects_the_best_model_in_its_direction(lower, best):
    evaluation = EVALUATION._replace(lower_is_better=lower)
    chosen = None
    for value in (float("nan"), 0.3, 0.2, float("nan"), 0.4):
        score = evaluation.comparable({"first": value, "second": -value})
        if is_better(score, chosen and evaluation.comparable({"first": chosen})):
            chosen = value
    assert chosen == best
    assert evaluation.comparable({}) is None


def test_old_records_and_archives_state_a_word_error_rate():
    old = {"wer": {"dev": 0.04}, "best": 0.03, "best_step": 7, "evaluated": 8, "seconds": 1.5, "totals": {"skipped": 1}}
    record = Record.from_json(with_scores(old))
    assert record.scores == {"dev": {"wer": 0.04}} and record.best == {"wer": 0.03}
    assert (record.best_step, record.evaluated, record.seconds, record.totals) == (7, 8, 1.5, {"skipped": 1})
    assert Record.from_json(with_scores(record.to_json())) == record
    assert with_scores({"wer": {}, "best": None})["best"] is None
    assert stated_scores({"evaluation": {"dev": {"set": "aa", "wer": 0.1}}}) == {
        "dev": {"set": "aa", "scores": {"wer": 0.1}}
    }
    today = {"evaluation": {"dev": {"set": "aa", "scores": {"accuracy": 0.9}}}}
    assert stated_scores(today) == today["evaluation"] and stated_scores({}) == {}
