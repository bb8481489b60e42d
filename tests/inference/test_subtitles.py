"""Subtitles keep their limits wherever the words allow it, for any words."""

import time
from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from jaxspeech.inference.line_width import LINE_COLUMNS
from jaxspeech.inference.subtitles import (
    GAP_SECONDS,
    LONGEST_SECONDS,
    READING_SPEED,
    SHORTEST_SECONDS,
    to_cues,
)
from jaxspeech.search.timestamps import TimedText, merge

NEARLY = 1e-6


def said(text: str, *, start: float = 0.0, each: float = 0.35, spoken: float = 0.9) -> list[TimedText]:
    """Words one after the other, each `each` seconds after the one before."""
    return [TimedText(word, start + each * i, start + each * (i + spoken), 0.5) for i, word in enumerate(text.split())]


@st.composite
def speech(draw: st.DrawFn) -> list[TimedText]:
    """Words of any length with pauses of any length, some without a duration, some at the same time."""
    words, at = [], draw(st.floats(0, 5000))
    for _ in range(draw(st.integers(1, 60))):
        word = draw(st.sampled_from("abcdefgh")) * draw(st.sampled_from([1, 2, 3, 5, 8, 13, 41, 60]))
        mark = draw(st.sampled_from(["", "", "", "", ",", ".", "?", "."]))
        length = draw(st.sampled_from([0.0, 0.04, 0.1, 0.3, 0.8, 9.0]))
        words.append(TimedText(word + mark, at, at + length, 1.0))
        at += length + draw(st.sampled_from([0.0, 0.0, 0.01, 0.1, 0.5, 3.0]))
    return words


@settings(max_examples=60, deadline=None)
@given(words=speech())
def test_limits(words: list[TimedText]) -> None:
    cues = to_cues(words)
    assert [word for cue in cues for line in cue.lines for word in line] == words
    for cue in cues:
        first = cue.lines[0][0]
        alone = sum(map(len, cue.lines)) == 1
        assert len(cue.lines) <= 2
        assert all(len(line) <= LINE_COLUMNS for line in cue.text.split("\n")) or alone
        assert cue.start >= first.start - NEARLY and cue.start < cue.end
        assert cue.end - cue.start <= LONGEST_SECONDS + NEARLY
    for cue, following in pairwise(cues):
        begins, room = following.lines[0][0].start, following.start - cue.start
        assert cue.end <= following.start + NEARLY
        if begins - cue.lines[0][0].start > 2 * GAP_SECONDS and cue.start == cue.lines[0][0].start:
            assert following.start - cue.end >= GAP_SECONDS - NEARLY
            # A subtitle lasts its minimum duration or reading time, unless the next one comes earlier.
            needed = min(max(SHORTEST_SECONDS, len(cue.text) / READING_SPEED), LONGEST_SECONDS, room - GAP_SECONDS)
            assert cue.end - cue.start >= needed - NEARLY


def test_a_short_answer_stands_long_enough_if_nothing_follows() -> None:
    [answer, late] = to_cues([TimedText("Yes.", 1.0, 1.1, 1.0), TimedText("Really?", 9.0, 9.3, 1.0)])
    assert answer.end == pytest.approx(1 + SHORTEST_SECONDS) and late.end == pytest.approx(9 + SHORTEST_SECONDS)
    [wordy] = to_cues(said("incomprehensibilities notwithstanding he went", each=0.2))
    assert wordy.end == pytest.approx(len(wordy.text) / READING_SPEED)


def test_short_silences_are_closed_to_two_frames() -> None:
    first, second = to_cues(said("this is the first sentence.") + said("and this the second one.", start=2.0))
    assert first.end == pytest.approx(second.start - GAP_SECONDS)
    first, second = to_cues(said("this is the first sentence.") + said("and this the second one.", start=2.6))
    assert first.end == pytest.approx(1.715) and second.start == 2.6


def test_hasty_exclamations_share_a_subtitle() -> None:
    [cue] = to_cues(said("No! Stop! Wait!", each=0.25))
    assert cue.text == "No! Stop! Wait!"


def test_sentences_part_before_clauses_and_clauses_before_words() -> None:
    text = (
        "When the rain had stopped at last, the children of the village ran out into the street. They laughed, "
        "and nobody who saw them there would have believed that the war had ended only yesterday."
    )
    cues = [cue.text.replace("\n", " ") for cue in to_cues(said(text))]
    assert " ".join(cues) == text
    assert [cue[-1] for cue in cues].count(".") == 2
    assert cues[0].endswith((",", "."))


def test_a_pause_and_a_segment_part_like_a_sentence() -> None:
    words = said("well this is") + said("late", start=5.0)
    assert [cue.text for cue in to_cues(words)] == ["well this is", "late"]
    lines = said("the first line of a song that has no full stop and the second line of it")
    segments = [merge(lines[:11]), merge(lines[11:])]
    assert [cue.text.split()[-1] for cue in to_cues(lines, segments)] == ["stop", "it"]


def test_two_lines_are_balanced_and_split_after_punctuation() -> None:
    [cue] = to_cues(said("one two three four five six seven eight nine ten eleven", each=0.3))
    upper, lower = cue.text.split("\n")
    assert len(upper) <= len(lower) and abs(len(upper) - len(lower)) < 10
    [cue] = to_cues(said("Had we known of this before, we would have stayed at home", each=0.3))
    assert cue.text == "Had we known of this before,\nwe would have stayed at home"


def test_six_minutes_take_no_time() -> None:
    words = said("it was a bright cold day in april, and the clocks were striking thirteen. " * 64, each=0.4)
    started = time.process_time()
    assert len(to_cues(words)) > 60
    assert time.process_time() - started < 2
