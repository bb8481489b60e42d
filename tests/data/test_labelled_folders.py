"""Tests manifests of folders of classes, and labels of speech from the level of recordings."""

import json

import numpy as np
import pytest
import soundfile

from jaxspeech.archive import save_archive
from jaxspeech.cli.main import main
from jaxspeech.data.activity_labels import activity_entries, marks_with_words
from jaxspeech.data.labelled_folders import labelled_folders
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.problems import Problems
from jaxspeech.errors import ManifestError
from jaxspeech.pipelines.recognizer import Recognizer
from tests.inference.test_streaming import CTC
from tests.interop.random_model import CHARACTERS, random_archive


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


def test_words_keep_what_is_near_them():
    by_level = np.zeros(200, int)
    by_level[[*range(20, 60), *range(120, 160)]] = 1  # 0.4 to 1.2 s, and 2.4 to 3.2 s
    marks = marks_with_words(by_level, [(0.5, 0.6), (0.75, 0.8), (3.3, 3.5)], frame_seconds=0.02)
    expected = np.zeros(200, int)
    expected[20:55] = 1  # the level's start, and 0.3 s after the last word
    expected[150:160] = 1  # 0.3 s before the next word
    expected[165:175] = 1  # a word below the level
    np.testing.assert_array_equal(marks, expected)


def test_frames_are_labelled_by_aligned_words(tmp_path, capsys):
    rng = np.random.default_rng(0)
    lines = []
    for name, text in (("a", "ab c"), ("b", "a"), ("c", ""), ("d", "b " * 200)):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * rng.normal(size=32000), 16000, subtype="FLOAT")
        lines.append({"audio_filepath": f"{name}.wav", "duration": 2.0, "text": text})
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    archive = random_archive(CTC, CHARACTERS)
    save_archive(tmp_path / "m.jaxspeech", **archive._asdict())
    model = f"--aligner={tmp_path}/m.jaxspeech"
    assert main(["prepare", "speech_activity", f"{tmp_path}/t.jsonl", model, f"--output={tmp_path}/out"]) == 0
    said = capsys.readouterr().out
    assert "c.wav: there is no text to align" in said and "d.wav: the text's 399 tokens do not fit" in said
    found = [json.loads(line) for line in (tmp_path / "out" / "t.jsonl").read_text().splitlines()]
    assert [entry["text"] for entry in found] == ["ab c", "a"]
    asr = Recognizer(archive)
    for entry in found:
        words = asr.align(entry["audio_filepath"], entry["text"])[0].words
        marks = np.array(entry["label"].split(), int)
        assert len(marks) == 100
        middles = (np.arange(100) + 0.5) * 0.02
        inside = np.any([(word.start <= middles) & (middles < word.end) for word in words], 0)
        assert marks[inside].all() and inside.any()
        far = np.all([(middles < word.start - 0.3) | (middles >= word.end + 0.3) for word in words], 0)
        assert not marks[far].any()
    # A stand-in: the order of recordings and of their words is the same.
    manifest = Manifest(tmp_path / "t.jsonl", problems=Problems(report=lambda line: None))

    def spans(pairs):
        return ([(0.1 * i, 0.1 * i + 0.1)] for i, _ in enumerate(list(pairs)))

    entries = activity_entries(manifest, detector=lambda samples, rate: [], align=spans)
    marks = [np.array(e["label"].split(), int) for e in entries]
    assert [np.flatnonzero(m).tolist() for m in marks] == [list(range(5 * i, 5 * i + 5)) for i in range(4)]
