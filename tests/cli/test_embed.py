"""Tests the verb embed: the arrays of its file, skipped recordings, and mistakes in one line."""

import functools
import json

import numpy as np
import pytest
import soundfile

import jaxspeech
from jaxspeech.archive import save_archive
from jaxspeech.cli.main import main
from tests.pipelines.frame_model import frame_archive
from tests.pipelines.speaker_model import RATE, speaker_archive
from tests.pipelines.tiny_recognizer import chirps


@pytest.fixture(scope="module", autouse=True)
def _each_model_once():
    """Loads each model once, and compiles its programs once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jaxspeech, "load", functools.cache(jaxspeech.load))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("embed")
    save_archive(folder / "m.jaxspeech", **speaker_archive()._asdict())
    save_archive(folder / "vad.jaxspeech", **frame_archive()._asdict())
    for i, name in enumerate(("a", "b")):
        soundfile.write(folder / f"{name}.wav", chirps(i, 1.8), RATE, subtype="FLOAT")
    soundfile.write(folder / "tiny.wav", np.zeros(160), RATE)
    lines = [{"audio_filepath": f"{name}.wav"} for name in ("b", "tiny", "none", "a")]
    (folder / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_embeddings_and_their_sources(folder, capsys):
    out = folder / "e.npz"
    command = ["embed", f"--model={folder}/m.jaxspeech", f"--manifest={folder}/in.jsonl", f"--output={out}"]
    assert main(command) == 0
    with np.load(out, allow_pickle=False) as file:
        embeddings, sources = file["embeddings"], file["sources"]
    assert sources.tolist() == [f"{folder}/b.wav", f"{folder}/a.wav"] and embeddings.dtype == np.float32
    embedder = jaxspeech.load(f"{folder}/m.jaxspeech", jaxspeech.Embedder, dtype=None)
    expected = [embedder.embed(path)[0].vector for path in sources]
    np.testing.assert_allclose(embeddings, expected, atol=1e-5)
    said = capsys.readouterr().err
    assert f"skipped: {folder}/tiny.wav: 10 ms of audio; it takes at least 100 ms to recognise a speaker" in said
    assert f"skipped: {folder}/none.wav: no such file" in said and "4 files, 2 skipped" in said
    assert main([*command, "--strict"]) == 1


MISTAKES = {
    "another kind": (["--model=vad.jaxspeech", "a.wav", "--output=x.npz"], "vad.jaxspeech is a classification model"),
    "nothing": (["--model=m.jaxspeech", "--output=x.npz"], "what is to be embedded? give AUDIO..."),
    "no output": (["--model=m.jaxspeech", "a.wav"], "missing: --output"),
    "no folder": (["--model=m.jaxspeech", "a.wav", "--output=gone/x.npz"], "gone/x.npz: cannot be written"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(folder, monkeypatch, capsys, name):
    monkeypatch.chdir(folder)
    arguments, message = MISTAKES[name]
    assert main(["embed", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1


def test_only_recordings_that_cannot_be_used(folder, capsys):
    """No file is written, and an existing one stays as it was."""
    out = folder / "kept.npz"
    out.write_bytes(b"mine")
    assert main(["embed", f"--model={folder}/m.jaxspeech", f"{folder}/tiny.wav", f"--output={out}"]) == 2
    assert out.read_bytes() == b"mine" and "1 file, 1 skipped" in capsys.readouterr().err
