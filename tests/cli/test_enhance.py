"""The verb enhance: folders, manifests, broken files, the page, live audio through pipes."""

import io
import json
import struct

import numpy as np
import pytest
import soundfile

from jaxspeech.archive import save_archive
from jaxspeech.cli.main import main
from tests.pipelines.live_enhancer import MODEL, RATE, random_variables


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("enhance")
    save_archive(folder / "m.jaxspeech", model=MODEL, assets={}, variables=random_variables())
    rng = np.random.default_rng(0)
    (folder / "noisy" / "deep").mkdir(parents=True)
    for name in ("a", "deep/b"):
        soundfile.write(folder / "noisy" / f"{name}.wav", 0.1 * rng.normal(size=4000), RATE)
    (folder / "noisy" / "broken.wav").write_bytes(b"nothing")
    return folder


def call(folder, *more):
    return main(["enhance", f"--model={folder}/m.jaxspeech", *map(str, more)])


def test_a_folder_is_enhanced_and_shown(folder, capsys):
    assert call(folder, f"--output={folder}/clean", f"--report={folder}/page.html", folder / "noisy") == 0
    said = capsys.readouterr().err
    assert "skipped: " in said and "broken.wav" in said and "3 files, 1 skipped" in said
    assert sorted(x.name for x in (folder / "clean").rglob("*.wav")) == ["a.wav", "b.wav"]
    page = (folder / "page.html").read_text()
    assert page.count("<audio") == 4 and page.count("<article ") == 2 and page.count("<img") == 4 and "a.wav" in page
    assert call(folder, f"--output={folder}/clean", "--strict", folder / "noisy") == 1


def test_a_manifest_gets_one_of_the_results(folder):
    lines = [{"audio_filepath": "noisy/deep/b.wav", "offset": 0.1, "text": "x"}, {"audio_filepath": "noisy/a.wav"}]
    (folder / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert call(folder, f"--output={folder}/listed", f"--manifest={folder}/in.jsonl") == 0
    found = [json.loads(line) for line in (folder / "listed/manifest.jsonl").read_text().splitlines()]
    assert found == [
        {"audio_filepath": "noisy/deep/b.wav", "text": "x", "duration": 0.4},
        {"audio_filepath": "noisy/a.wav", "duration": 0.5},
    ]
    assert soundfile.info(folder / "listed/noisy/deep/b.wav").frames == 3200


def test_microphones_are_combined(folder):
    rng = np.random.default_rng(1)
    soundfile.write(folder / "mics.wav", 0.1 * rng.normal(size=(4000, 3)), RATE)
    assert call(folder, f"--output={folder}/one.wav", "--beamform", folder / "mics.wav") == 0
    found = soundfile.info(folder / "one.wav")
    assert (found.channels, found.frames) == (1, 4000)


class Pipe:
    """Standard input or output."""

    def __init__(self, content=b""):
        self.buffer = io.BytesIO(content)

    def flush(self):
        pass


def test_live_audio_goes_through_a_pipe(folder, monkeypatch, capsys):
    samples = soundfile.read(folder / "noisy/a.wav", dtype="int16")[0]
    whole = folder / "whole.wav"
    assert call(folder, f"--output={whole}", folder / "noisy/a.wav") == 0
    expected = soundfile.read(whole, dtype="int16")[0]
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 0, b"WAVE", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16, b"data", 0
    )
    for head in (b"", header):
        out = Pipe()
        monkeypatch.setattr("sys.stdin", Pipe(head + samples.tobytes()))
        monkeypatch.setattr("sys.stdout", out)
        assert call(folder, "--realtime", "-") == 0
        sent = out.buffer.getvalue()
        assert len(sent) == (44 if head else 0) + samples.nbytes
        np.testing.assert_allclose(np.frombuffer(sent[-samples.nbytes :], np.int16), expected, atol=1)
        assert (sent[:4] == b"RIFF") == bool(head)
    assert "live: 8 ms of delay" in capsys.readouterr().err
    assert call(folder, "--realtime", f"--output={folder}/live.wav", folder / "noisy/a.wav") == 0
    np.testing.assert_allclose(soundfile.read(folder / "live.wav", dtype="int16")[0], expected, atol=1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["x.wav"], "where do the results go? --output=FOLDER names a folder"),
        (["--output=y"], "what is to be enhanced?"),
        (["--output=y", "--step=2", "x.wav"], "--step is for live audio: add --realtime"),
        (["--realtime", "--channel=0", "-"], "--channel is for whole recordings"),
        (["--realtime", "a.wav", "b.wav"], "one recording at a time"),
        (["--output=y", "--mix=3", "x.wav"], "mix is 3.0"),
        (["--beamform", "--realtime", "-"], "--beamform is for whole recordings"),
        (["--beamform", "--output=y", "--channel=0", "x.wav"], "--beamform all of them"),
        (["--output=y", "--channel=left", "x.wav"], "neither mean nor the number"),
        (["--output=y", "none.wav"], "none.wav: no such file"),
    ],
)
def test_mistakes_are_one_line(folder, capsys, monkeypatch, tmp_path, given, message):
    monkeypatch.chdir(tmp_path)
    assert call(folder, *given) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") <= 2
