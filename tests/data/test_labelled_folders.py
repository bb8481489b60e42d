"""Tests manifests of folders of classes, and labels of speech from the level of recordings."""

import json

import numpy as np
import pytest
import soundfile

from jaxspeech.cli.main import main
from jaxspeech.data.labelled_folders import labelled_folders
from jaxspeech.errors import ManifestError


@pytest.fixture
def commands(tmp_path):
    for name in ("yes/a_0.wav", "yes/b_0.wav", "no/a_0.wav", "no/c_0.wav", "_background_noise_/hum.wav"):
        path = tmp_path / "v2" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.zeros(8000), 16000)
    (tmp_path / "v2" / "no" / "broken.wav").write_bytes(b"RIFF")
    (tmp_path / "v2" / "validation_list.txt").write_text("yes/b_0.wav\n")
    (tmp_path / "v2" / "testing_list.txt").write_text("no/c_0.wav\n")
    return tmp_path / "v2"


def test_folders_are_labels_and_lists_are_splits(commands, tmp_path, capsys):
    said = []
    found = labelled_folders(commands, report=said.append)
    shown = {
        split: [(e["audio_filepath"][len(str(commands)) + 1 :], e["label"]) for e in found[split]] for split in found
    }
    assert shown == {
        "train": [("no/a_0.wav", "no"), ("yes/a_0.wav", "yes")],
        "dev": [("yes/b_0.wav", "yes")],
        "test": [("no/c_0.wav", "no")],
    }
    assert found["dev"][0]["duration"] == 0.5 and len(said) == 1 and "broken.wav" in said[0]
    assert main(["prepare", "speech_commands", str(commands), f"--output={tmp_path}/out"]) == 0
    assert "train.jsonl: 2 recordings of 2 classes" in capsys.readouterr().out
    with pytest.raises(ManifestError, match="recordings of 0 classes"):
        labelled_folders(commands / "yes", report=said.append)
    with pytest.raises(ManifestError, match="no such folder"):
        labelled_folders(commands / "up", report=said.append)


def test_frames_are_labelled_by_their_level(tmp_path, capsys):
    rng = np.random.default_rng(0)
    samples = 0.001 * rng.normal(size=48000)
    samples[16000:32000] += 0.3 * rng.normal(size=16000)
    soundfile.write(tmp_path / "a.wav", samples, 16000)
    (tmp_path / "clean.jsonl").write_text(json.dumps({"audio_filepath": "a.wav", "duration": 3.0, "text": "a"}) + "\n")
    assert main(["prepare", "speech_activity", f"{tmp_path}/clean.jsonl", f"--output={tmp_path}/out"]) == 0
    entry = json.loads((tmp_path / "out" / "clean.jsonl").read_text())
    marks = np.array(entry["label"].split(), int)
    assert len(marks) == 150 and entry["text"] == "a" and marks[50:100].all()
    assert not marks[:40].any() and not marks[112:].any()  # a stretch of speech is extended by up to 0.15 s
    assert main(["prepare", "speech_activity", f"{tmp_path}/clean.jsonl", f"--output={tmp_path}"]) == 2
    assert "would be overwritten" in capsys.readouterr().err
