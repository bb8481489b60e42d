"""Times inside a text: what is left of it, and when each word was said."""

import numpy as np
import pytest

from jaxspeech.text.time_tokens import frames_of_tokens, without_times

# Tokens 0 to 9 are words; 100 + n is the time n.
FRAMES = {100 + n: n for n in range(900)}


def timed(*ids, num_frames=50.0):
    found = without_times(ids, FRAMES, num_frames=num_frames)
    if found is None:
        return None
    return [(ids[place], start, end) for place, start, end in zip(*found, strict=True)]


def test_only_numbers_are_times():
    assert frames_of_tokens(["<|0|>", "<|12|>", "<|en|>", "12", "<|spk0|>", "▁a", "<pad>"]) == {0: 0, 1: 12}


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        # The usual form, with a word of two tokens.
        ((112, 1, 117, 120, 2, 3, 126), [(1, 12, 17), (2, 20, 23), (3, 23, 26)]),
        # One time between two words.
        ((112, 1, 116, 2, 120), [(1, 12, 16), (2, 18, 20)]),
        # A time for nothing, and one after the end of the recording, which is not believed.
        ((105, 112, 1, 117, 120, 2, 999), [(1, 12, 17), (2, 20, 35)]),
        # A time that is smaller than the others, and a word whose end is missing.
        ((112, 1, 117, 103, 2, 124, 130, 3), [(1, 12, 17), (2, 20.5, 24), (3, 30, 40)]),
        # A word before the first time.
        ((1, 110, 120, 2, 130), [(1, 5, 10), (2, 20, 30)]),
        # Times for no words at all.
        ((112, 117), []),
    ],
)
def test_times_are_given_to_the_words_between_them(ids, expected):
    assert timed(*ids) == expected


@pytest.mark.parametrize("ids", [(), (1, 2, 3), (999, 1, 998), (1, 2, 110)])
def test_a_text_with_too_few_times_has_none(ids):
    assert timed(*ids, num_frames=5.0) is None


def test_whatever_is_written_the_text_stays_and_times_never_go_back():
    rng = np.random.default_rng(0)
    for _ in range(200):
        ids = np.where(rng.random(12) < 0.6, rng.integers(100, 160, 12), rng.integers(0, 10, 12)).tolist()
        if (found := timed(*ids)) is not None:
            assert [token for token, _, _ in found] == [token for token in ids if token < 100]
            borders = [border for _, start, end in found for border in (start, end)]
            assert borders == sorted(borders) and all(0 <= border <= 50 for border in borders)
