"""The matched-pair test against its definition, and how often it is wrong where nothing differs."""

import numpy as np
import pytest

from jaxspeech.evaluation.matched_pairs import matched_pairs

RNG = np.random.default_rng(0)


def corrupted(words, rate):
    return " ".join("wrong" if RNG.random() < rate else word for word in words.split())


def test_segments_end_where_both_are_right_about_two_words():
    #            |a b|c x e f|g h|  then "i" is left of an utterance without further errors
    said = ["a b c d e f g h i"]
    found = matched_pairs(said, ["a b c x e f g h i"], ["a b c x x f g h i"])
    # segments: [a b], [c d e f g] (d is wrong for both, e for one), [h i]
    assert (found.segments, found.differing) == (3, 1)
    assert found.mean == pytest.approx(-1 / 3)


def test_statistic_by_its_definition():
    said = ["a b c"] * 60
    one = ["x b c"] * 20 + ["a b c"] * 40
    other = ["a b c"] * 30 + ["x b c"] * 2 + ["a b c"] * 28
    differences = np.array([1] * 20 + [0] * 10 + [-1] * 2 + [0] * 28)
    found = matched_pairs(said, one, other)
    assert found.segments == 60 and found.differing == 22
    z = differences.mean() / (differences.std(ddof=1) / np.sqrt(60))
    assert found.z == pytest.approx(z) and 0 < found.p < 1e-3
    back = matched_pairs(said, other, one)
    assert back.z == pytest.approx(-z) and back.p == pytest.approx(found.p)


def test_insertions_count_where_they_are():
    found = matched_pairs(["a b", "c d"], ["a b", "c d"], ["a x b", "c d"])
    assert found.mean * found.segments == pytest.approx(-1) and found.differing == 1


def test_two_words_after_an_insertion_are_enough():
    found = matched_pairs(["a b c d e f"], ["a x b c d e f"], ["a b c y e f"])
    assert found.differing == 2  # the insertion, and d: b and c are between them


def test_chance_is_called_so():
    said = [" ".join(RNG.choice(list("abcdefgh"), 12)) for _ in range(30)]
    values = [matched_pairs(said, *([corrupted(x, 0.2) for x in said] for _ in range(2))).p for _ in range(25)]
    assert np.mean(np.array(values) < 0.05) <= 0.2
    better = matched_pairs(said, [corrupted(x, 0.3) for x in said], [corrupted(x, 0.1) for x in said])
    assert better.p < 1e-6 and better.z > 0


def test_equal_systems_and_empty_sets():
    assert matched_pairs(["a b"] * 3, ["a"] * 3, ["a"] * 3).p == 1.0
    assert matched_pairs([], [], []).p == matched_pairs([""], [""], ["x"]).p == 1.0
