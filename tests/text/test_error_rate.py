"""Error counts agree with a plain edit distance; edge cases are empty texts, spaces and normalisation."""

import math

import numpy as np
import pytest

from jaxspeech.text.error_rate import ErrorCounts, char_errors, word_errors
from jaxspeech.text.normalize import normalize


def edit_distance(reference, hypothesis):
    row = list(range(len(hypothesis) + 1))
    for i, wanted in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, found in enumerate(hypothesis, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (wanted != found))
    return row[-1]


def test_random_texts_against_the_edit_distance():
    rng = np.random.default_rng(0)
    references, hypotheses = (
        [" ".join(rng.choice(["a", "bb", "abc", "d"], rng.integers(0, 8))) for _ in range(100)] for _ in range(2)
    )
    words, chars = word_errors(references, hypotheses), char_errors(references, hypotheses)
    pairs = list(zip(references, hypotheses, strict=True))
    assert words.errors == sum(edit_distance(r.split(), h.split()) for r, h in pairs)
    assert chars.errors == sum(edit_distance(r, h) for r, h in pairs)
    assert words.length == sum(len(r.split()) for r in references) and chars.length == sum(map(len, references))


def test_each_kind_is_counted():
    assert word_errors(["a b c d"], ["a x c d e"]) == ErrorCounts(1, 1, 0, 4)
    assert word_errors(["a b c d"], ["b c d"]) == ErrorCounts(0, 0, 1, 4)
    assert char_errors(["abc d"], ["abd d"]) == ErrorCounts(1, 0, 0, 5)


def test_empty_texts():
    assert word_errors(["", "a b"], ["x y", "a b"]) == ErrorCounts(0, 2, 0, 2)
    assert char_errors(["", "ab"], ["xy", ""]) == ErrorCounts(0, 2, 2, 2)
    assert word_errors(["a b"], ["  "]).rate == 1.0
    assert word_errors([""], [""]).rate == 0.0 and word_errors([""], ["x"]).rate == math.inf
    assert word_errors([], []) == char_errors([], []) == ErrorCounts(0, 0, 0, 0)
    with pytest.raises(ValueError, match="1 references, 2 hypotheses"):
        word_errors(["a"], ["a", "b"])


def test_spaces_do_not_count():
    assert word_errors([" a  b\n"], ["a b"]).errors == char_errors([" a  b\n"], ["a b"]).errors == 0


def test_normalize():
    assert normalize("Don’t  STOP, 'she' said—well-known: ﬁne.") == "don't stop she said well known fine"
    assert normalize("A, B.", lowercase=False) == "A B" and normalize("A, B.", strip_punctuation=False) == "a, b."
    assert normalize("¿Qué?") == "qué" and normalize("...") == ""
