"""Recordings with their targets: files, channels, parts, and files that are too short."""

import json

import numpy as np
import pytest
import soundfile

from jaxspeech.data.columns.paired import paired_columns
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.paired_audio import parse_pairs
from jaxspeech.data.problems import Problems
from jaxspeech.data.variant import STILL, Variant
from jaxspeech.errors import AudioError, ConfigError, ManifestError

RATE = 8000
SOUND = (0.1 * np.random.default_rng(0).standard_normal((6, 4 * RATE))).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    for name, channels in {"two": SOUND[:2], "one": SOUND[2:3], "clean": SOUND[3:5], "played": SOUND[5:]}.items():
        soundfile.write(tmp_path / f"{name}.wav", channels.T, RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "short.wav", SOUND[0, :RATE], RATE, subtype="FLOAT")
    return tmp_path


LINE = {"audio_filepath": ["two.wav", "one.wav"], "target_filepath": "clean.wav", "offset": 0.5, "duration": 2.0}


def columns(folder, *lines, **options):
    (folder / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    chosen, reported = parse_pairs(options), []
    problems = Problems(name="data.train", report=reported.append)
    manifest = Manifest(folder / "m.jsonl", audio=chosen.input, several=True, problems=problems)
    return paired_columns(manifest, chosen, sample_rate=RATE), reported


def row(made, example=0, variant=STILL):
    return [made[name].row(example, variant) for name in ("samples", "targets")]


PART = slice(RATE // 2, RATE // 2 + 2 * RATE)


def test_files_are_channels_of_one_part(folder):
    made, _ = columns(folder, LINE)
    samples, targets = row(made)
    np.testing.assert_array_equal(samples, SOUND[:3, PART])
    np.testing.assert_array_equal(targets, SOUND[3:5, PART])
    assert made["samples"].before == (3,) and made["targets"].before == (2,) and not made["targets"].counted


def test_channels_are_selected_and_a_reference_follows(folder):
    line = {"noisy": "two.wav", "clean": "clean.wav", "played": "played.wav", "duration": 1.0}
    fields = {"input": "noisy", "target": "clean", "reference": "played"}
    made, _ = columns(folder, line, input_channels=1, target_channels="average", **fields)
    samples, targets = row(made)
    np.testing.assert_array_equal(samples, SOUND[[1, 5], :RATE])
    np.testing.assert_allclose(targets, SOUND[3:5, :RATE].mean(0, keepdims=True), atol=1e-7)
    made, _ = columns(folder, LINE, input_channels=[2, 0])
    np.testing.assert_array_equal(row(made)[0], SOUND[[2, 0], PART])
    with pytest.raises(ManifestError, match=r"none of the first .*two.wav: no channel 7, there are 3"):
        columns(folder, LINE, input_channels=7)


def test_both_are_cut_at_the_same_place(folder):
    made, _ = columns(folder, LINE)
    plain = row(made)
    for found, whole in zip(row(made, variant=Variant(before=-0.5, after=-0.25)), plain, strict=True):
        np.testing.assert_array_equal(found, whole[:, RATE // 2 : -RATE // 4])
    faster = row(made, variant=Variant(speed=1.25))
    assert faster[0].shape == (3, round(2 * RATE / 1.25)) and faster[1].shape[1] == faster[0].shape[1]


def test_a_short_file_is_named_and_counted(folder):
    short = LINE | {"target_filepath": "short.wav", "offset": 0}
    made, reported = columns(folder, short, LINE)
    assert len(reported) == 1 and "short.wav: ends after 1.00 s of the 2.00 s of its line" in reported[0]
    with pytest.raises(ManifestError, match=r"short.wav: ends after"):
        row(made)
    row(made, 1)
    # Some samples are lost to rounding and codecs.
    made, _ = columns(folder, short | {"duration": 1.05})
    assert row(made)[0].shape == (3, RATE) and row(made)[1].shape == (1, RATE)


def test_what_else_is_wrong_with_a_line(folder):
    other = LINE | {"audio_filepath": "two.wav"}
    made, _ = columns(folder, LINE, other, {"audio_filepath": "two.wav", "duration": 1.0})
    with pytest.raises(
        ManifestError, match=r"two.wav at 0.5 s: has 2 channels and 2 targets, the first example 3 and 2"
    ):
        row(made, 1)
    with pytest.raises(ManifestError, match="no target_filepath"):
        row(made, 2)
    with pytest.raises(ManifestError, match="names no files"):
        columns(folder, LINE | {"target_filepath": [3]})
    with pytest.raises(ManifestError, match=r"none of the first .*no.wav"):
        columns(folder, LINE | {"target_filepath": "no.wav"})
    with pytest.raises(ManifestError, match="no noisy"):
        columns(folder, LINE, input="noisy")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inputs": "a"}, r'pairs.inputs: no such field; did you mean "input"'),
        ({"target": ""}, "pairs.target is ''; it is the name of a field"),
        ({"input_channels": "mean"}, "pairs.input_channels is 'mean'; it is None"),
        ({"target_channels": [0, -1]}, r"pairs.target_channels is \(0, -1\)"),
    ],
)
def test_invalid_options(options, message):
    with pytest.raises(ConfigError, match=message):
        parse_pairs(options)


def test_a_recording_that_is_not_there(folder):
    made, _ = columns(folder, LINE, LINE | {"audio_filepath": ["two.wav", "no.wav"]})
    with pytest.raises(AudioError, match=r"no.wav"):
        row(made, 1)
