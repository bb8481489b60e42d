"""Export from TFDS, with examples in the form of its data sources."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from jaxspeech.data.manifest import Manifest
from jaxspeech.data.tfds import export, open_splits
from jaxspeech.errors import SpeechError


def test_export_is_a_manifest_with_audio(tmp_path):
    rng = np.random.default_rng(0)
    speech = [rng.integers(-(2**15), 2**15, n) for n in (800, 4000, 1600)]  # int64, as TFDS widens it
    splits = {
        "a": [{"speech": speech[0], "text": b"ONE TWO"}, {"speech": speech[1] / 2.0**15, "text": "Three"}],
        "b": [{"speech": speech[2], "text": "it's"}],
    }
    export(splits, tmp_path / "set" / "train.jsonl", sample_rate=8000)
    manifest = Manifest(tmp_path / "set" / "train.jsonl")
    assert [entry.fields["text"] for entry in manifest] == ["one two", "three", "it's"]
    assert manifest.durations.tolist() == [0.1, 0.5, 0.2]
    for entry, expected in zip(manifest, speech, strict=True):
        samples, rate = soundfile.read(entry.path, dtype="int16")
        assert rate == 8000
        np.testing.assert_array_equal(samples, expected)


def test_classes_become_texts(tmp_path):
    # The form of spoken_digit's examples: 8 kHz, a class number as the text.
    split = {"train": [{"audio": np.zeros(800, np.int64), "label": np.int64(7), "audio/filename": b"7_a_0.wav"}]}
    keys = {"sample_rate": 8000, "audio_key": "audio", "text_key": "label"}
    digits = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    export(split, tmp_path / "a.jsonl", names=digits, **keys)
    assert Manifest(tmp_path / "a.jsonl")[0].fields["text"] == "seven"
    with pytest.raises(SpeechError, match="the text is the class 7: --names"):
        export(split, tmp_path / "b.jsonl", **keys)


def test_missing_feature_is_named_and_no_manifest_left(tmp_path):
    with pytest.raises(SpeechError, match="dev has no speech; it has audio, text"):
        export({"dev": [{"audio": np.zeros(8), "text": "a"}]}, tmp_path / "dev.jsonl", sample_rate=8000)
    assert not (tmp_path / "dev.jsonl").exists()


def test_missing_tfds_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(SpeechError, match=r'pip install "jaxspeech\[tfds\]"'):
        open_splits("librispeech", ["dev_clean"])


def test_a_further_package_that_tfds_needs_is_named(monkeypatch):
    def builder(name, **options):
        raise ModuleNotFoundError(f"Failed to construct {name}: No module named 'tensorflow'")

    module = SimpleNamespace(builder=builder, core=SimpleNamespace(DatasetNotFoundError=KeyError))
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", module)
    with pytest.raises(SpeechError, match=r"needs another package for librispeech: .*'tensorflow'; install"):
        open_splits("librispeech", ["dev_clean"])
