"""Comparisons of systems: rates, pairs, and the order of the utterances that differ."""

import pytest

from jaxspeech.evaluation.comparison import compare
from jaxspeech.text.normalizers import find_normalizer

SAID = ["one two three", "four five", "Six.", ""]
FOUND = {
    "a": ["one two three", "four five", "six", ""],
    "b": ["one too three", "for fife", "six", "noise"],
    "c": ["one to three", "four five", "SIX", ""],
}


def test_rates_pairs_and_order():
    found = compare(SAID, FOUND, find_normalizer("basic"))
    assert [system.errors.errors for system in found.systems.values()] == [0, 4, 1]
    assert {(pair.one, pair.other): pair.difference for pair in found.pairs} == {
        ("a", "b"): pytest.approx(4 / 6),
        ("a", "c"): pytest.approx(1 / 6),
        ("b", "c"): pytest.approx(-3 / 6),
    }
    # two errors apart; then one error apart with three texts, with two texts; equal ones are left out
    assert found.differing == [1, 0, 3]
    assert compare(SAID, FOUND, find_normalizer("none")).differing == [1, 0, 3, 2]


def test_the_better_system_is_named():
    said = ["one two three"] * 40
    found = compare(said, {"good": said, "bad": ["one x three"] * 20 + said[20:]}, find_normalizer("none"))
    [pair] = found.pairs
    assert pair.significant and pair.test.z < 0 and pair.interval is not None and pair.interval.low > 0


def test_nothing_said():
    found = compare(["", ""], {"a": ["", ""], "b": ["x", ""]}, find_normalizer("none"))
    assert found.systems["a"].interval is None and found.pairs[0].difference == 0.0 and found.differing == [0]
