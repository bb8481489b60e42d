"""Scores of answers: each line by its own score, and single tokens by teacher forcing."""

from types import SimpleNamespace

import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.evaluation.answers import Found, answers
from jaxspeech.search.tokens import Tokens
from jaxspeech.text.char import CharTokenizer

FIELDS = {
    0: {"text": "a b c d"},
    1: {"text": "nine", "score": "answer", "kind": "number"},
    2: {"text": "Yes", "score": "answer", "kind": "question"},
    3: {"text": "no", "score": "answer", "kind": "question"},
    4: {"text": "x y z w v", "score": "bleu"},
}
FOUND = {
    0: Found("a x c", 3, 5),
    1: Found("nine", 2, 2),
    2: Found(" yes ", 1, 2),
    3: Found("yes", 0, 1),
    4: Found("x y z w v", 5, 5),
}


def test_each_line_has_its_score():
    evaluation = answers(CharTokenizer("abc"), asked=lambda fields: "what?")
    scores = evaluation.score(FOUND, FIELDS)
    assert next(iter(scores)) == "wer"
    assert scores == pytest.approx(
        {"wer": 0.5, "bleu": 1.0, "right": 2 / 3, "right_number": 1.0, "right_question": 0.5, "token_accuracy": 11 / 15}
    )
    assert evaluation.show(scores) == (
        "WER 50.00%, BLEU 100.0, 66.7% right (number 100.0%, question 50.0%), 73.3% of tokens"
    )
    assert evaluation.comparable(scores) == 0.5
    assert evaluation.comparable({"right": 0.75}) == -0.75  # of answers alone, more is better
    shown = evaluation.sample(FOUND[1], FIELDS[1]).splitlines()
    assert [line.split(":")[1].strip() for line in shown] == ["what?", "nine", "nine"]


def test_rows_are_decoded():
    tokens = Tokens(*(None for _ in Tokens._fields))._replace(
        ids=np.array([[0, 1, 2], [2, 9, 9]]), num_tokens=np.array([2, 1])
    )
    answered = SimpleNamespace(tokens=tokens, right=np.array([2, 0]), targets=np.array([3, 1]))
    found = answers(CharTokenizer("abc")).collect(answered, None)
    assert found == [Found("ab", 2, 3), Found("c", 0, 1)]


def test_an_unknown_score_is_an_error():
    with pytest.raises(ConfigError, match="the \"score\" of a line is 'were'"):
        answers(CharTokenizer("abc")).score({0: FOUND[0]}, {0: {"text": "a", "score": "were"}})
