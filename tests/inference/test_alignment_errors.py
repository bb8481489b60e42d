"""Differences from reference segments, and their summary."""

import pytest

from jaxspeech.inference.alignment_errors import start_errors, summary
from jaxspeech.inference.hypothesis import Hypothesis
from tests.inference.test_subtitles import said


def test_the_first_words_of_given_segments() -> None:
    words = said("one two three - four five", each=1.0)
    words = [*words[:2], words[2]._replace(text="three -"), *words[4:]]
    found = Hypothesis("", 0.0, (), 0.0, 6.0, "a", words=tuple(words))
    given = [{"start": 0.5, "text": "one two"}, {"start": 1.9, "text": "three - "}, {"start": 4.0, "text": "four five"}]
    assert start_errors(found, given) == pytest.approx([-0.5, 0.1, 0.0])
    assert start_errors(found, given[:2]) == [] and start_errors(found, []) == []
    assert start_errors(found._replace(words=None), given) == []


def test_summary() -> None:
    assert summary([-0.5, 0.1, 0.0]) == (
        "segment starts are 0.10 s (median) and 0.42 s (90%) from 3 reference starts, 67% within 0.2 s, "
        "median difference +0.00 s"
    )


@pytest.mark.parametrize("segments", [[{"start": 0.0, "end": 0.5}], ["a"], "abc", 5, [{"text": "a", "start": None}]])
def test_another_field_of_that_name_is_left_alone(segments) -> None:
    assert start_errors(Hypothesis("a", 0.0, (), 0.0, 1.0, "x", words=()), segments) == []
