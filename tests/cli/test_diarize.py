"""Diarizes by the command, with a model that knows who speaks, and with a random speaker model."""

import itertools
import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import soundfile

import jaxspeech.loading
from jaxspeech.archive import save_archive
from jaxspeech.cli.diarize import FORMATS, SETTINGS
from jaxspeech.cli.main import main
from jaxspeech.cli.turn_outputs import FORMATS as ALL_FORMATS
from jaxspeech.diarization.activity_turns import SETTINGS as ALL_SETTINGS
from jaxspeech.diarization.rttm import read_rttm
from jaxspeech.diarization.seglst import read_seglst
from tests.pipelines.known_voices import RATE, KnownEmbedder, conversation, known_diarizer
from tests.pipelines.speaker_model import speaker_archive

TURNS = [(0.8, 4.0, 0), (3.2, 8.0, 1), (9.6, 12.0, 0)]
LINES = ["0.800\t4.000\tspeaker_0", "3.200\t8.000\tspeaker_1", "9.600\t12.000\tspeaker_0"]


@pytest.fixture
def meeting(tmp_path, monkeypatch):
    """The path of a recording, and the command for it with a model that knows its speakers."""
    monkeypatch.setattr(jaxspeech.loading, "load_any", lambda path, **options: known_diarizer(monkeypatch))
    soundfile.write(tmp_path / "my talk.wav", conversation(TURNS, 14), RATE)
    return tmp_path / "my talk.wav", ["diarize", "--model=m.jaxspeech", f"{tmp_path}/my talk.wav"]


def test_all_outputs(meeting, tmp_path, capsys):
    path, command = meeting
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == LINES and "3 turns of 2 speakers" in err
    assert main([*command, f"--rttm={tmp_path}/o.rttm", f"--output={tmp_path}/o.json"]) == 0
    assert capsys.readouterr().out == ""
    written = read_rttm(tmp_path / "o.rttm")["my_talk"]
    assert [f"{x.start:.3f}\t{x.end:.3f}\t{x.speaker}" for x in written] == LINES
    found = json.loads((tmp_path / "o.json").read_text())
    assert found["audio_filepath"] == str(path) and found["pred_speakers"] == ["speaker_0", "speaker_1"]
    first = found["pred_turns"][0]
    assert first == {"start": 0.8, "end": 4.0, "speaker": "speaker_0", "confidence": pytest.approx(0.92, abs=0.01)}
    assert main([*command, f"--output={tmp_path}/o.seglst.json"]) == 0
    [said] = read_seglst(tmp_path / "o.seglst.json").values()
    assert [x.speaker for x in said] == ["speaker_0", "speaker_1", "speaker_0"] and said[0].words == ""
    assert main([*command, "--format=rttm"]) == 0
    assert capsys.readouterr().out == (tmp_path / "o.rttm").read_text()
    assert FORMATS == ALL_FORMATS and tuple(ALL_SETTINGS) == SETTINGS


def test_options_reach_the_model(meeting, tmp_path, capsys):
    _, command = meeting
    (tmp_path / "speech.rttm").write_text("SPEAKER anything 1 9.6 1.6 <NA> <NA> ann <NA> <NA>\n")
    for option, expected in [
        ("--exclusive", [LINES[0], "4.000\t8.000\tspeaker_1", LINES[2]]),
        ("--onset=0.95", []),
        ("--min_speech=3", LINES[:2]),
        ("--num_speakers=1", ["0.800\t8.000\tspeaker_0", LINES[2]]),
        (f"--speech={tmp_path}/speech.rttm", ["9.600\t11.200\tspeaker_0"]),
        ("--postprocessing=v2-dihard3", None),
    ]:
        assert main([*command, option]) == 0
        found = capsys.readouterr().out.splitlines()
        assert found == expected if expected is not None else found and found != LINES, option


def test_pictures(meeting, tmp_path, capsys):
    _, command = meeting
    assert main([*command, f"--picture={tmp_path}/t.svg"]) == 0
    drawn = [x.get("data-start") for x in ET.parse(tmp_path / "t.svg").iter() if x.get("class") == "turn"]
    assert drawn[0] == "0.800" and set(drawn) == {"0.800", "3.200", "9.600"}
    soundfile.write(tmp_path / "b.wav", conversation(TURNS, 14), RATE)
    assert main([*command, f"{tmp_path}/b.wav", f"--picture={tmp_path}/pictures"]) == 0
    assert sorted(x.name for x in (tmp_path / "pictures").iterdir()) == ["b.html", "my talk.html"]
    assert "data:audio/" in (tmp_path / "pictures" / "b.html").read_text()


def test_mistakes_are_one_line(meeting, tmp_path, capsys, monkeypatch):
    _, command = meeting
    for options, message in [
        (["--num_speakers=0"], "--num_speakers: '0' is not a whole number of 1 or more"),
        (["--num_speakers=2", "--max_speakers=3"], "--num_speakers is 2: leave out --max_speakers"),
        (["--min_speakers=3", "--max_speakers=2"], "--min_speakers is 3, which is more than"),
        (["--vad=vad.nemo"], "--vad is for a speaker model; m.jaxspeech is a diarization model"),
        (["--vad=vad.nemo", "--speech=a.rttm"], "--vad finds the speech that --speech says"),
        (["--speech=none.rttm"], "none.rttm: cannot be read (No such file or directory)"),
        (["--realtime", "--num_speakers=2"], "--num_speakers needs whole recordings: leave out --realtime"),
        (["--threshold=.5"], "--threshold is for known voices: add --enrolled=VOICES.npz"),
        (["--realtime", "--enrolled=v.npz"], "--enrolled needs whole recordings: leave out --realtime"),
        (["--enrolled=v.npz"], "--enrolled compares voices, which needs a speaker model: add --embedder=MODEL"),
        (["--latency=1.04"], "--latency is for live audio: add --realtime"),
        (["--rttm=a.rttm", "--format=text"], "--format is that of --output"),
        (["--rttm=a.rttm", "--output=a.rttm"], "--rttm and --output are the same file"),
        (["--picture=a.png"], "--picture=a.png: pictures are .html or .svg"),
        (["--picture=a.svg", "b.wav"], "--picture=a.svg is one picture, but there are 2 recordings"),
        (["--postprocessing=v3"], "invalid choice: 'v3'"),
        (["--embedder=none.nemo"], "none.nemo: no such file"),
        (["--num_speakers=5"], "num_speakers is 5, but the model knows 3 speakers: give it an embedder"),
    ]:
        assert main([*command, *options]) == 2, options
        out, err = capsys.readouterr()
        assert message in err and len(err.strip().splitlines()) == 1 and not out, (options, err)
    monkeypatch.undo()
    save_archive(tmp_path / "s.jaxspeech", **speaker_archive()._asdict())
    command[1] = f"--model={tmp_path}/s.jaxspeech"
    for option, message in [
        ("--embedder=x.nemo", "--embedder is for a diarization model;"),
        ("--onset=0.6", "--onset is for a diarization model;"),
        ("--postprocessing=v2-dihard3", "--postprocessing is for a diarization model;"),
    ]:
        assert main([*command, option]) == 2
        assert message in capsys.readouterr().err


def test_voices_and_known_speech_by_the_command(tmp_path, capsys):
    save_archive(tmp_path / "s.jaxspeech", **speaker_archive()._asdict())
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(size=3 * 16000) * 0.1, 16000)
    lines = ["SPEAKER a 1 0.5 1.5 <NA> <NA> ann <NA> <NA>", "SPEAKER a 1 1.5 1.0 <NA> <NA> bob <NA> <NA>"]
    (tmp_path / "a.rttm").write_text("\n".join(lines))
    command = ["diarize", f"--model={tmp_path}/s.jaxspeech", f"--speech={tmp_path}/a.rttm", f"{tmp_path}/a.wav"]
    assert main([*command, "--num_speakers=2", "--format=rttm"]) == 0
    (tmp_path / "found.rttm").write_text(capsys.readouterr().out)
    [found] = read_rttm(tmp_path / "found.rttm").values()
    assert min(x.start for x in found) == 0.5 and max(x.end for x in found) == 2.5
    # Both speak where the known turns overlap.
    assert len({x.speaker for x in found if x.start <= 1.6 and x.end >= 1.9}) == 2
    vectors = np.random.default_rng(0).normal(size=(1, 6))
    np.savez(tmp_path / "v.npz", embeddings=np.concatenate([vectors, -vectors]), speakers=["ann", "eve"])
    names = [f"--enrolled={tmp_path}/v.npz", "--threshold=-1"]
    assert main([*command, "--num_speakers=2", "--format=rttm", *names]) == 0
    assert {line.split()[7] for line in capsys.readouterr().out.splitlines()} == {"ann", "eve"}
    assert main([*command, "--num_speakers=2", "--exclusive"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert all(float(a[1]) <= float(b[0]) for a, b in itertools.pairwise(rows))


def test_voices_of_a_diarization_model(meeting, capsys, monkeypatch):
    _, command = meeting
    monkeypatch.setattr(jaxspeech, "load", lambda path, kind, **options: KnownEmbedder())
    assert main([*command, "--embedder=e.nemo"]) == 0
    assert capsys.readouterr().out.splitlines() == LINES
