"""Tests the labels of frames: their rate, changes of speed and cuts, and what is not a label."""

import json

import numpy as np
import pytest

from jaxspeech.data.columns.frame_labels import frame_labels, resampled_shares
from jaxspeech.data.frame_shares import read_labels, resampled, snapped
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.problems import Problems
from jaxspeech.data.variant import STILL, Variant
from jaxspeech.errors import ManifestError
from jaxspeech.text.classes import Classes

RNG = np.random.default_rng(0)
CLASSES = Classes(["silence", "speech"])


def test_equal_to_nemos_repetition_of_shorter_labels(refs):
    with np.load(refs / "frame_labels.npz") as arrays:
        found = [name for name in arrays if name.endswith(".out")]
        for name in found:
            for labels, expected in zip(arrays[name.replace(".out", ".labels")], arrays[name], strict=True):
                np.testing.assert_array_equal(resampled(labels, len(expected)), expected, err_msg=name)
    assert found


@pytest.mark.parametrize("count", [50, 51, 52])
def test_longer_labels_are_decided_by_half_of_the_time(count):
    """NeMo fails there."""
    labels = RNG.integers(0, 2, count)
    pairs = np.append(labels, labels[-1:])[:50].reshape(25, 2)
    np.testing.assert_array_equal(resampled(labels, 25), pairs.mean(1) >= 0.5)
    quarters = RNG.integers(0, 2, 100)
    np.testing.assert_array_equal(resampled(quarters, 25), quarters.reshape(25, 4).mean(1) >= 0.5)


def test_ratios_near_a_whole_number_are_whole():
    assert [snapped(x) for x in (1.0, 2.04, 0.49, 0.34, 1.5)] == [1.0, 2.0, 0.5, 1 / 3, 1.5]


def test_labels_follow_speed_silence_and_cuts():
    marks = read_labels("0 0 1 1 1 0 0 0 0 0", CLASSES, field="label")  # 0.1 s each, speech from 0.2 to 0.5 s
    for variant in (STILL, Variant(speed=2.0), Variant(before=0.3, after=0.1), Variant(before=-0.25, after=-0.3)):
        shares = resampled_shares(marks, variant, duration=1.0, frame_seconds=0.01)
        moments = (np.arange(len(shares)) + 0.5) / 100
        start, end = variant.at(0.2), variant.at(0.5)
        np.testing.assert_array_equal(shares[:, 1] > 0.5, (start < moments) & (moments < end))
        np.testing.assert_allclose(shares.sum(1), 1)
        assert len(shares) == round((variant.at(1.0) + variant.after) * 100)


@pytest.fixture
def make(tmp_path):
    def make(*values):
        lines = [{"audio_filepath": f"{i}.wav", "duration": 1.0, "label": value} for i, value in enumerate(values)]
        (tmp_path / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return Manifest(tmp_path / "m.jsonl", problems=Problems(report=lambda line: None))

    return make


def test_names_numbers_and_lists_are_labels_and_others_are_named(make):
    manifest = make("0 1", "silence speech", [0, 1], "0 2", "", None)
    column = frame_labels(manifest, CLASSES, frame_seconds=0.1)
    np.testing.assert_array_equal(column.usable, [True] * 3 + [False] * 3)
    for example in range(3):
        np.testing.assert_array_equal(column.row(example, STILL), [0] * 5 + [1] * 5)
    for example, message in ((3, "label '2' is not a class"), (4, "no labels of frames"), (5, "no label")):
        with pytest.raises(ManifestError, match=message):
            column.row(example, STILL)
    assert column.widths is not None and column.widths(slice(None), np.ones(6), np.array([1.0])) == (12,)


def test_several_classes_at_once(make):
    column = frame_labels(make("- 0 0,1 speech"), CLASSES, frame_seconds=0.25, multi_label=True)
    np.testing.assert_array_equal(column.row(0, STILL), [[0, 0], [1, 0], [1, 1], [0, 1]])
    assert column.shape == (2,)
