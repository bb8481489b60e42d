"""Tests the activity of one speaker and of all others against a count of 10 ms steps, frame by frame."""

import json

import numpy as np
import pytest

from jaxspeech.data.columns.talker import talker_activity
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.variant import STILL, Variant
from jaxspeech.errors import ManifestError

TURNS = [[0.4, 2.1, "ann"], [1.5, 3.0, "bob"], [2.6, 3.3, "cy"], [4.0, 4.8, "ann"]]


def column(folder, *lines):
    path = folder / "m.jsonl"
    path.write_text(
        "".join(json.dumps({"audio_filepath": "a.wav", "duration": 5.0, "text": "x"} | x) + "\n" for x in lines)
    )
    return talker_activity(Manifest(path), frame_seconds=0.08)


def counted(speakers, *, speed=1.0, seconds=5.0, start=0.0):
    """Whether each frame has more than half of its 10 ms steps in turns of these speakers."""
    steps = np.zeros((len(speakers), round(100 * seconds)), bool)
    for begin, end, speaker in TURNS:
        if speaker in speakers:
            low, high = (int(100 * max(edge / speed - start / speed, 0) + 1e-6) for edge in (begin, end))
            steps[speakers.index(speaker), low:high] = True
    frames, count = [], int(np.ceil(seconds / 0.08 - 1e-6))
    for i in range(count):
        low, high = max(8 * i - 5, 0), steps.shape[1] if i == count - 1 else 8 * i + 4
        frames.append((steps[:, low:high].mean(1) > 0.5).any())
    return np.array(frames, np.float32)


@pytest.mark.parametrize("speaker", ["ann", "bob", "cy"])
def test_a_line_has_its_speaker_and_the_others(tmp_path, speaker):
    made = column(tmp_path, {"turns": TURNS, "speaker": speaker})
    found = made.row(0, STILL)
    others = [name for name in ("ann", "bob", "cy") if name != speaker]
    assert made.usable.tolist() == [True] and found.shape == (63, 2) and found.dtype == np.float32
    np.testing.assert_array_equal(found[:, 0], counted([speaker]))
    np.testing.assert_array_equal(found[:, 1], counted(others))


def test_an_rttm_file_says_the_same_as_turns(tmp_path):
    lines = [f"SPEAKER a 1 {begin} {end - begin:.3f} <NA> <NA> {name} <NA> <NA>\n" for begin, end, name in TURNS]
    (tmp_path / "a.rttm").write_text("".join(lines))
    made = column(tmp_path, {"turns": TURNS, "speaker": "bob"}, {"rttm_filepath": "a.rttm", "speaker": "bob"})
    np.testing.assert_array_equal(made.row(0, STILL), made.row(1, STILL))


def test_speed_and_silence_move_the_activity(tmp_path):
    made = column(tmp_path, {"turns": TURNS, "speaker": "ann"})
    fast = made.row(0, Variant(speed=1.25))
    assert fast.shape == (50, 2)
    np.testing.assert_array_equal(fast[:, 0], counted(["ann"], speed=1.25, seconds=4.0))
    later = made.row(0, Variant(before=0.8))
    assert later.shape == (73, 2) and not later[:10].any()
    np.testing.assert_array_equal(later[11:, 0], made.row(0, STILL)[1:, 0])


def test_a_speaker_who_is_silent_in_a_part_has_no_activity(tmp_path):
    made = column(tmp_path, {"turns": TURNS, "speaker": "cy", "offset": 0.0, "duration": 2.0})
    found = made.row(0, STILL)
    assert not found[:, 0].any() and found[:, 1].any()


def test_a_line_without_turns_is_of_one_speaker(tmp_path):
    found = column(tmp_path, {"speaker": "ann"}, {}).row(1, STILL)
    np.testing.assert_array_equal(found, np.tile([1, 0], (63, 1)))


def test_turns_without_a_speaker_are_not_usable(tmp_path):
    made = column(tmp_path, {"turns": TURNS}, {"turns": TURNS, "speaker": "ann"})
    assert made.usable.tolist() == [False, True]
    with pytest.raises(ManifestError, match="no speaker, who says the text, although there are turns"):
        made.row(0, STILL)
