"""Tests the activity of speakers as a column: parts of recordings, changes of speed, cuts, and lines without turns."""

import json

import numpy as np
import pytest

from jaxspeech.data.columns.activity import activity
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.problems import Problems
from jaxspeech.data.variant import STILL, Variant
from jaxspeech.diarization.rttm import as_rttm
from jaxspeech.diarization.turns import Turn
from jaxspeech.errors import ManifestError

# Not in the order of time, and c is the third to speak.
TURNS = [Turn(20.0, 30.0, "c"), Turn(2.0, 8.0, "a"), Turn(6.0, 24.0, "b")]


@pytest.fixture
def make(tmp_path):
    (tmp_path / "rttm").mkdir()
    (tmp_path / "rttm" / "a.rttm").write_text(as_rttm("a", TURNS))

    def make(*lines):
        base = {"audio_filepath": "a.wav", "duration": 40.0, "rttm_filepath": "rttm/a.rttm"}
        (tmp_path / "m.jsonl").write_text("".join(json.dumps(base | line) + "\n" for line in lines))
        return Manifest(tmp_path / "m.jsonl", problems=Problems(report=lambda line: None))

    return make


def spans(column, example, variant=STILL):
    """When each speaker is active, in seconds, to a frame."""
    found = column.row(example, variant)
    active = [np.flatnonzero(found[:, s]) * 0.08 for s in range(found.shape[1])]
    return [None if not len(x) else (x[0], x[-1]) for x in active]


def near(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours is None) == (theirs is None)
        np.testing.assert_allclose(ours or 0, theirs or 0, atol=0.13)


def test_speakers_come_in_the_order_of_time_and_the_last_are_left_out(make):
    manifest = make({})
    columns = [activity(manifest, most_speakers=size, frame_seconds=0.08) for size in (4, 2)]
    near(spans(columns[0], 0), [(2.0, 8.0), (6.0, 24.0), (20.0, 30.0), None])
    near(spans(columns[1], 0), [(2.0, 8.0), (6.0, 24.0)])
    assert columns[0].shape == (4,) and columns[0].widths(slice(None), np.ones(1), np.array([40.0])) == (502,)
    soft = activity(manifest, most_speakers=4, frame_seconds=0.08, soft=True).row(0, STILL)
    assert ((soft > 0) & (soft < 1)).any() and set(np.unique(columns[0].row(0, STILL))) == {0.0, 1.0}


def test_turns_follow_the_part_the_speed_silence_and_cuts(make):
    column = activity(make({"offset": 5.0, "duration": 20.0}), most_speakers=3, frame_seconds=0.08)
    near(spans(column, 0), [(0.0, 3.0), (1.0, 19.0), (15.0, 20.0)])
    for variant in (Variant(speed=1.25), Variant(before=1.5, after=2.0), Variant(before=-2.5, after=-3.0, speed=0.8)):
        total = variant.at(20.0) + variant.after
        expected = [
            (max(variant.at(start), 0), min(variant.at(end), total))
            for start, end in ((0.0, 3.0), (1.0, 19.0), (15.0, 20.0))
        ]
        near(spans(column, 0, variant), expected)
        assert len(column.row(0, variant)) == np.ceil(total / 0.08 - 1e-6)
    # Who is cut away has no column.
    near(spans(column, 0, Variant(before=-4.0)), [(0.0, 15.0), (11.0, 16.0), None])


def test_long_recordings_in_parts(make):
    whole = make({}, {"offset": 4.0, "duration": 12.0})
    parts = whole.in_parts(15.0)
    np.testing.assert_allclose([e.offset for e in parts], [0, 40 / 3, 80 / 3, 4])
    np.testing.assert_allclose(parts.durations, [40 / 3] * 3 + [12])
    assert parts.num_candidates == 4 and parts[1].fields["offset"] == parts[1].offset
    column = activity(parts, most_speakers=3, frame_seconds=0.08)
    near(spans(column, 1), [(0.0, 24 - 40 / 3), (20 - 40 / 3, 40 / 3), None])
    assert whole.in_parts(40.0) is whole
    taken = parts.take(np.array([2])).in_parts(7.0)
    np.testing.assert_allclose([e.offset for e in taken], [80 / 3, 80 / 3 + 20 / 3])


def test_lines_without_turns_are_left_out_and_damaged_ones_named(make):
    column = activity(
        make({}, {"rttm_filepath": None}, {"turns": [[0, 1, "a"]]}, {"turns": [[0, 1]]}, {"rttm_filepath": "x.rttm"}),
        most_speakers=2,
        frame_seconds=0.08,
    )
    np.testing.assert_array_equal(column.usable, [True, False, True, True, True])
    near(spans(column, 2), [(0.0, 1.0), None])
    for example, message in ((1, "no rttm_filepath"), (3, "turn 1 is"), (4, "x.rttm: cannot be read")):
        with pytest.raises(ManifestError, match=message):
            column.row(example, STILL)
