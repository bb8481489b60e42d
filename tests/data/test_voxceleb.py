"""Tests manifests and trials of VoxCeleb's layout, and manifests of VoxLingua107 and the twelve classes of commands."""

import json

import numpy as np
import pytest
import soundfile

from jaxspeech.cli.main import main


def wave(path, seconds=0.5):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(int(seconds * 16000)), 16000)


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def vox(tmp_path):
    for speaker in (1, 2, 3, 4, 5, 6):
        for video in ("aaa", "bbb"):
            wave(tmp_path / "vox1" / "wav" / f"id1000{speaker}" / video / "00001.wav")
    wave(tmp_path / "vox1" / "readme" / "x" / "not_a_speaker.wav")
    wave(tmp_path / "vox2" / "dev" / "id00012" / "ccc" / "00007.wav", seconds=1)
    (tmp_path / "vox1" / "wav" / "id10003" / "aaa" / "00009.wav").write_bytes(b"RIFF")
    return tmp_path


def prepare(vox, *options, corpus="voxceleb"):
    return main(["prepare", corpus, *options, f"--output={vox}/out"])


def test_speakers_in_trials_are_not_trained_on(vox, capsys):
    trials = "1 id10005/aaa/00001.wav id10005/bbb/00001.wav\n0 id10005/aaa/00001.wav id10006/bbb/00001.wav\n"
    (vox / "veri_test2.txt").write_text(trials)
    folders = [str(vox / "vox1"), str(vox / "vox2")]
    assert prepare(vox, *folders, f"--trials={vox}/veri_test2.txt", "--dev_speakers=1") == 0
    said = capsys.readouterr()
    assert "out/train.jsonl: 7 recordings of 4 speakers" in said.out and "veri_test2.txt: 2 trials" in said.out
    assert "00009.wav" in said.err + said.out
    sets = {name: read(vox / "out" / f"{name}.jsonl") for name in ("train", "dev", "test")}
    speakers = {name: {entry["speaker"] for entry in entries} for name, entries in sets.items()}
    assert speakers["test"] == {"id10005", "id10006"} and len(sets["test"]) == 3  # one recording is in no trial
    assert len(speakers["dev"]) == 1 and not speakers["dev"] & speakers["train"]
    assert speakers["train"] | speakers["dev"] == {"id00012", "id10001", "id10002", "id10003", "id10004"}
    assert {e["duration"] for e in sets["train"] if e["speaker"] == "id00012"} == {1.0}
    assert all(entry["label"] == entry["speaker"] for entry in sets["train"])

    from jaxspeech.cli.verify import read_trials

    first, second = read_trials(vox / "out" / "veri_test2.txt")
    assert first[0] and not second[0] and second[2].endswith("vox1/wav/id10006/bbb/00001.wav")


@pytest.mark.parametrize(
    ("trials", "message"),
    [
        ("1 id10005/aaa/00001.wav id10099/bbb/00001.wav\n", "o.txt:1: id10099/bbb/00001.wav is in none of the folders"),
        ("id10005 id10006\n", "is no trial of VoxCeleb"),
        ("\n", "has no trial"),
        ("".join(f"1 id1000{i}/aaa/00001.wav id1000{i}/bbb/00001.wav\n" for i in (1, 2, 3, 4, 5)), "are left to train"),
    ],
    ids=["missing", "malformed", "empty", "all"],
)
def test_wrong_trials_are_one_line(vox, capsys, trials, message):
    (vox / "o.txt").write_text(trials)
    assert prepare(vox, str(vox / "vox1"), f"--trials={vox}/o.txt", "--dev_speakers=0") == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


def test_other_folders_are_one_line(vox, capsys):
    for corpus, folder, message in (
        ("voxceleb", vox / "vox1" / "readme", "not VoxCeleb, which has recordings like id10001/1zcIwhmdeo4/00001.wav"),
        ("voxceleb", vox / "vox3", "no such folder"),
        (
            "voxlingua107",
            vox / "vox1" / "wav",
            "not VoxLingua107, whose folders are ab, af, ..., zh: 'id10001' is none",
        ),
        ("voxlingua107", vox / "vox3", "no such folder"),
    ):
        assert prepare(vox, str(folder), corpus=corpus) == 2
        said = capsys.readouterr().err.splitlines()
        assert message in said[-1]
    assert prepare(vox, str(vox / "vox1"), str(vox / "vox1")) == 2
    assert "is the same recording as" in capsys.readouterr().err


def test_languages_are_labels(tmp_path, capsys):
    for name in ("en/a.wav", "en/b.wav", "th/a.wav", "dev/en/c.wav"):
        wave(tmp_path / "lid" / name)
    assert prepare(tmp_path, str(tmp_path / "lid"), corpus="voxlingua107") == 0
    assert [entry["label"] for entry in read(tmp_path / "out" / "train.jsonl")] == ["en", "en", "th"]
    assert [entry["audio_filepath"][-8:] for entry in read(tmp_path / "out" / "dev.jsonl")] == ["en/c.wav"]


def test_twelve_classes(tmp_path, capsys):
    for word in ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go", "bird"):
        wave(tmp_path / "v2" / word / "a.wav")
    assert prepare(tmp_path, str(tmp_path / "v2"), "--twelve", corpus="speech_commands") == 2
    assert "not Speech Commands: the folder '_background_noise_' is missing" in capsys.readouterr().err
    wave(tmp_path / "v2" / "_background_noise_" / "hum.wav", seconds=10.5)
    assert prepare(tmp_path, str(tmp_path / "v2"), "--twelve", corpus="speech_commands") == 0
    train = read(tmp_path / "out" / "train.jsonl")
    labels = [entry["label"] for entry in train]
    assert labels.count("silence") == 8 and labels.count("unknown") == 1 and len(set(labels)) == 12
    assert [e["offset"] for e in train if e["label"] == "silence"] == [*map(float, range(8))]
    assert len(read(tmp_path / "out" / "dev.jsonl")) == len(read(tmp_path / "out" / "test.jsonl")) == 1
