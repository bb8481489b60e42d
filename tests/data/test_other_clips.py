"""Clips of other speech and noise, beside those of a few words."""

import json

import pytest

from jaxspeech.cli.main import main
from jaxspeech.data.activity_labels import noise_entries
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.other_clips import other_clips
from jaxspeech.errors import ManifestError


def write(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


@pytest.fixture
def speech(tmp_path):
    texts = ["hello there", "the Computer said", "computers", ""]
    lines = [{"audio_filepath": f"{n}.wav", "duration": 4.0 + n, "text": t} for n, t in enumerate(texts)]
    return write(tmp_path / "speech.jsonl", [*lines, {"audio_filepath": "short.wav", "duration": 0.5}])


@pytest.fixture
def noise(tmp_path):
    kinds = ("noise", "rir")
    lines = [{"audio_filepath": f"{kind}.wav", "duration": 1.2, "kind": kind} for kind in kinds]
    return write(tmp_path / "noise.jsonl", lines)


def test_parts_of_recordings_without_the_words(speech, noise):
    lines = other_clips(Manifest(speech), Manifest(noise), lengths=[1.0, 2.0], count=200, words={"computer"})
    names = [line["audio_filepath"].rpartition("/")[2] for line in lines]
    assert len(lines) == 200 and names.count("noise.wav") == 20
    assert set(names) == {"0.wav", "2.wav", "3.wav", "noise.wav"}
    seconds = {"0.wav": 4.0, "2.wav": 6.0, "3.wav": 7.0, "noise.wav": 1.2}
    for name, line in zip(names, lines, strict=True):
        assert line["label"] == "other" and line["duration"] in (0.999, 1.199, 1.999)
        assert 0 <= line["offset"] <= seconds[name] - line["duration"]
    again = other_clips(Manifest(speech), Manifest(noise), lengths=[1.0, 2.0], count=200, words={"computer"})
    assert again == lines and len({line["offset"] for line in lines}) > 150
    with pytest.raises(ManifestError, match=r"no recording to cut clips of 9 s from"):
        other_clips(Manifest(speech), None, lengths=[9.0], count=1, words=())


def test_parts_of_noises_are_labelled_as_no_speech(noise):
    lines = noise_entries(Manifest(noise), lengths=[1.0], count=5)
    assert {line["audio_filepath"].rpartition("/")[2] for line in lines} == {"noise.wav"}
    assert all(line["label"].split() == ["0"] * 50 and line["offset"] <= 0.2 for line in lines)


def test_the_command_adds_them_to_each_manifest(speech, noise, tmp_path, capsys):
    for name in ("train", "dev"):
        clips = [{"audio_filepath": f"{w}.wav", "duration": 1.0, "label": w} for w in ("computer", "jarvis")]
        write(tmp_path / f"{name}.jsonl", clips)
    manifests = [str(tmp_path / f"{name}.jsonl") for name in ("train", "dev")]
    command = ["prepare", "wakewords", *manifests, f"--output={tmp_path}/out", f"--noise={noise}", "--others=3"]
    assert main([*command, f"--speech={speech},{speech}"]) == 0
    lines = [json.loads(line) for line in (tmp_path / "out/train.jsonl").read_text().splitlines()]
    assert [line["label"] for line in lines] == ["computer", "jarvis", *["other"] * 6]
    assert lines[0]["audio_filepath"] == str(tmp_path / "computer.wav")
    assert "dev.jsonl: 2 clips of 2 words, 6 of other" in capsys.readouterr().out
    assert (tmp_path / "out/dev.jsonl").read_text() != (tmp_path / "out/train.jsonl").read_text()
    assert main([*command, f"--speech={speech}"]) == 2
    assert "--speech names 1 manifests for 2" in capsys.readouterr().err
    assert main([*command, f"--speech={speech},{speech}", "--name=jarvis"]) == 2
    assert "has clips of 'jarvis' already" in capsys.readouterr().err
