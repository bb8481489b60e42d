"""Tests the conversion of frames to seconds, for tokens, words and segments."""

import numpy as np
import pytest

from jaxspeech.search.timestamps import TimedText, pinned, segment_times, token_times, word_times

STARTS, ENDS = np.array([1, 3, 10, 12, 0]), np.array([2, 5, 11, 20, 0])  # the last is padding
CONFIDENCE = np.array([0.9, 0.6, 0.8, 0.7, 0.0])


def test_tokens_and_words():
    tokens = token_times(["he", "llo", "wor", "ld"], STARTS, ENDS, CONFIDENCE, frame_seconds=0.08)
    assert [token.text for token in tokens] == ["he", "llo", "wor", "ld"]
    assert tokens[1][:4] == pytest.approx(("llo", 0.24, 0.4, 0.6))
    words = word_times([("hello", 0, 2), ("world", 2, 4)], STARTS, ENDS, CONFIDENCE, frame_seconds=0.08)
    assert words[0][:4] == pytest.approx(("hello", 0.08, 0.4, 0.6))
    assert words[1][:4] == pytest.approx(("world", 0.8, 1.6, 0.7))
    assert word_times([], STARTS, ENDS, CONFIDENCE, frame_seconds=0.08) == []


@pytest.mark.parametrize(
    "ends",
    [
        "好。 吗？ 吧！ 啊｡ 嗎．",
        "है। राम॥ क्या?",
        "نعم؟ شكرا۔ سلام؟\u200f",
        "Այո։ Ոչ։",
        "ሰላም። እንዴት፧",
        "ငံ။ က။",
        "ក។ ខ៕",
        "བོད། སྐད༎",
        "好。」 「吗？』 吧！） 他说。”",
        "„Ja.“ »Nein!« what?!”",
        "Πού; Ναι; Ποιος\u037e",
        "so‼ ja⁉\ufe0f",
    ],
)
def test_full_stops_of_every_script(ends: str):
    words = [TimedText(text, i / 2, i / 2 + 0.4, 0.5) for i, text in enumerate(ends.split())]
    assert [segment.text for segment in segment_times(words)] == ends.split()


@pytest.mark.parametrize("text", ["a; b, c: d… e⁇ f", "你， 好、 吗； 吧： 好……", "أ، ب؛ ج", "é c ç", "'' ( ”"])
def test_other_marks_end_no_sentence(text: str):
    words = [TimedText(text, i / 2, i / 2 + 0.4, 0.5) for i, text in enumerate(text.split())]
    assert [segment.text for segment in segment_times(words)] == [text]


def test_segments_end_at_punctuation_and_long_gaps():
    words = [
        TimedText(text, float(i) if i < 5 else i + 3.0, i + 0.5 if i < 5 else i + 3.5, 0.5)
        for i, text in enumerate(["Hi.", "I", "said", '"no!"', "then", "left"])
    ]
    found = segment_times(words, max_gap_seconds=None)
    assert [segment.text for segment in found] == ["Hi.", 'I said "no!"', "then left"]
    found = segment_times(words)
    assert [segment.text for segment in found] == ["Hi.", 'I said "no!"', "then", "left"]
    assert found[1] == TimedText('I said "no!"', 1.0, 3.5, 0.5)
    assert segment_times([]) == []
    assert [segment.text for segment in segment_times(words, punctuation="", max_gap_seconds=None)] == [
        'Hi. I said "no!" then left'
    ]


def test_marks_take_no_time_after_the_token_before_them():
    # Of NeMo 3.0 (get_forced_aligned_timestamps_with_external_model) for a random model, a random recording and the
    # end of "The cat sat on the mat. Yes!": its `char` spans before and after it moves the marks.
    pieces = ["▁m", "at", ".", "▁", "Ye", "s", "!"]
    starts, ends = pinned(pieces, np.array([10, 11, 12, 13, 14, 36, 37, 0]), np.array([11, 12, 13, 14, 36, 37, 38, 0]))
    assert starts.tolist() == [10, 11, 12, 13, 14, 36, 37] and ends.tolist() == [11, 12, 12, 14, 36, 37, 37]
    # One after the other, at the beginning, and after a space that is a token.
    frames = np.array([[1, 2], [3, 5], [6, 8], [9, 10], [11, 12], [14, 16]])
    starts, ends = pinned(["?", "a", "?", "!", " ", ","], *frames.T)
    assert list(zip(starts, ends, strict=True)) == [(1, 1), (3, 5), (5, 5), (5, 5), (11, 12), (14, 14)]
