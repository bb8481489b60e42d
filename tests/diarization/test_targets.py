"""Tests the activity in frames, and the turns of a manifest's line."""

import numpy as np
import pytest

from jaxspeech.diarization.line_turns import has_turns, turns_of_line
from jaxspeech.diarization.rttm import as_rttm
from jaxspeech.diarization.targets import activity_of_turns
from jaxspeech.diarization.turns import Turn
from jaxspeech.errors import ManifestError

TURNS = [Turn(0.0, 0.31, "b"), Turn(0.2, 1.0, "a"), Turn(0.97, 1.4, "b"), Turn(1.2, 1.5, "c"), Turn(3.0, 4.0, "d")]


def by_definition(turns, names, *, start, seconds, ratio=8):
    """The mean over the 10 ms frames of each frame."""
    size = int(seconds * 100)
    steps = np.zeros((size, len(names)))
    for turn in turns:
        if turn.end > start and turn.start < start + seconds:
            first, last = (
                int((edge - start) * 100) for edge in (max(turn.start, start), min(turn.end, start + seconds))
            )
            for n in range(first, last):
                steps[n, names.index(turn.speaker)] = 1
    count = -(-size // ratio)
    means = []
    for i in range(count):
        first = 0 if i == 0 else ratio * i - ratio // 2 - 1
        last = size if i == count - 1 else ratio * i + ratio // 2
        means.append(steps[first:last].mean(0))
    return np.array(means)


@pytest.mark.parametrize(
    ("start", "seconds", "names"),
    [(0.0, 1.6, "bac"), (0.25, 1.14, "bac"), (1.25, 0.09, "bc"), (0.0, 0.08, "b"), (1.18, 3.0, "bcd"), (5.0, 0.5, "")],
)
def test_frames_of_a_stretch(start, seconds, names):
    found = activity_of_turns(TURNS, most_speakers=4, seconds=seconds, offset=start)
    assert found.speakers == tuple(names) and found.dropped == ()
    expected = np.zeros((len(found.shares), 4))
    if names:
        expected[:, : len(names)] = by_definition(TURNS, names, start=start, seconds=seconds)
    np.testing.assert_allclose(found.shares, expected, atol=1e-6)


def test_speakers_beyond_the_last_column_are_dropped_and_named():
    found = activity_of_turns(TURNS, most_speakers=2, seconds=4.0)
    assert (found.speakers, found.dropped) == (("b", "a"), ("c", "d"))
    assert found.shares.shape == (50, 2) and not found.shares[20:].any()


def test_a_last_frame_of_ten_milliseconds_is_counted_whatever_the_rounding():
    assert len(activity_of_turns(TURNS, most_speakers=4, seconds=1.13).shares) == 15


def test_other_frame_rates():
    found = activity_of_turns(TURNS, most_speakers=3, seconds=1.6, frame_seconds=0.04)
    np.testing.assert_allclose(found.shares, by_definition(TURNS, "bac", start=0.0, seconds=1.6, ratio=4), atol=1e-6)


def test_turns_of_lines(tmp_path):
    path = tmp_path / "a.rttm"
    path.write_text(as_rttm("other", TURNS))
    line = {"audio_filepath": "x/a.wav", "rttm_filepath": str(path)}
    assert has_turns(line) and [turn.speaker for turn in turns_of_line(line)] == list("babcd")
    path.write_text(as_rttm("other", TURNS) + as_rttm("a", TURNS[:2]))
    assert turns_of_line(line) == TURNS[:2]
    path.write_text("")
    assert turns_of_line(line) == []  # nobody speaks
    given = [[0.0, 0.31, "b"], {"start": 0.2, "end": 1.0, "speaker": "a"}]
    assert turns_of_line({"turns": given}) == TURNS[:2] and turns_of_line({"turns": []}) == []


def test_lines_whose_turns_cannot_be_used_are_one_line_each(tmp_path):
    path = tmp_path / "b.rttm"
    path.write_text(as_rttm("other", TURNS) + as_rttm("another", TURNS[:2]))
    for fields, message in (
        ({}, "^no rttm_filepath, and no turns$"),
        ({"rttm_filepath": ""}, "^no rttm_filepath, and no turns$"),
        ({"rttm_filepath": 3}, "^the rttm_filepath is 3, not a path$"),
        ({"rttm_filepath": str(tmp_path / "none.rttm")}, "none.rttm: cannot be read"),
        (
            {"rttm_filepath": str(path), "audio_filepath": "a.wav"},
            r"b.rttm: has the turns of 2 recordings \(another, other\), none of which is 'a'$",
        ),
        ({"turns": "0 1 a"}, "^the turns are '0 1 a'; they are a list"),
        ({"turns": [[0, 1, "a"], [1, 2]]}, r"^turn 2 is \[1, 2\]; it is \[start, end, speaker\]$"),
        ({"turns": [[1, "x", "a"]]}, "^turn 1: the end is 'x', which is no number of seconds$"),
        ({"turns": [[2, 1, "a"]]}, "^turn 1 ends at 1 s, before its start, 2 s$"),
    ):
        with pytest.raises(ManifestError, match=message):
            turns_of_line(fields)
