"""Tests the verb verify: two recordings, lists of trials, the report, and mistakes in one line."""

import functools

import numpy as np
import pytest
import soundfile

import jaxspeech
from jaxspeech.archive import save_archive
from jaxspeech.cli.main import main
from tests.pipelines.frame_model import frame_archive
from tests.pipelines.speaker_model import RATE, speaker_archive
from tests.pipelines.tiny_recognizer import chirps

TRIALS = ["1 a.wav b c.wav", "0 a.wav d.wav", "0 b c.wav d.wav", "1 a.wav a.wav"]


@pytest.fixture(scope="module", autouse=True)
def _each_model_once():
    """Loads each model once, and compiles its programs once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jaxspeech, "load", functools.cache(jaxspeech.load))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verify")
    save_archive(folder / "m.jaxspeech", **speaker_archive()._asdict())
    save_archive(folder / "vad.jaxspeech", **frame_archive()._asdict())
    for i, name in enumerate(("a", "b c", "d")):
        soundfile.write(folder / f"{name}.wav", chirps(i, 1.6 + i / 10), RATE, subtype="FLOAT")
    soundfile.write(folder / "tiny.wav", np.zeros(160), RATE)
    lines = [line.replace(" ", "\t", 1).replace(".wav ", ".wav\t") for line in TRIALS]
    (folder / "trials.txt").write_text("\n".join(lines) + "\n\n")
    return folder


@pytest.fixture(scope="module")
def cosines(folder):
    """The cosines of the trials, from embeddings of each recording alone."""
    embedder = jaxspeech.load(f"{folder}/m.jaxspeech", jaxspeech.Embedder, dtype=None)
    vector = {name: embedder.embed(folder / f"{name}.wav")[0].vector for name in ("a", "b c", "d")}
    unit = {name: x / np.linalg.norm(x) for name, x in vector.items()}
    return [float(unit[a] @ unit[b]) for a, b in (("a", "b c"), ("a", "d"), ("b c", "d"), ("a", "a"))]


def test_two_recordings(folder, cosines, capsys):
    command = ["verify", f"--model={folder}/m.jaxspeech", f"{folder}/a.wav", f"{folder}/d.wav"]
    assert main(command) == 0
    score, word, rest = capsys.readouterr().out.split(maxsplit=2)
    assert float(score) == pytest.approx(cosines[1], abs=1e-4) and rest == "(threshold 0.4000)\n"
    assert word == ("same" if cosines[1] >= 0.4 else "different")
    assert main([*command, f"--threshold={cosines[1] - 0.01}"]) == 0 and "same" in capsys.readouterr().out
    assert main([*command, f"--threshold={cosines[1] + 0.01}"]) == 0 and "different" in capsys.readouterr().out


def test_trials_with_scores_and_a_report(folder, cosines, capsys):
    trials, scores, page = (folder / name for name in ("trials.txt", "scores.txt", "page.html"))
    outputs = [f"--output={scores}", f"--report={page}"]
    assert main(["verify", f"--model={folder}/m.jaxspeech", f"--trials={trials}", *outputs]) == 0
    said = capsys.readouterr()
    found = [line.split("\t") for line in scores.read_text().splitlines()]
    assert [float(x[0]) for x in found] == pytest.approx(cosines, abs=1e-4)
    assert found[0][1:] == [f"{folder}/a.wav", f"{folder}/b c.wav"]
    # Of two trials of each kind: the same file twice is above all others.
    best = sum(other >= cosines[0] for other in cosines[1:3])
    assert f"{trials}: EER {(0, 50, 50)[best] if best < 2 else 50:.2f}% at the threshold " in said.out
    assert "minDCF" in said.out and said.err == "4 trials of 3 recordings\n"
    assert "<polyline" in page.read_text() and "4 trials of 3 recordings" in page.read_text()


MISTAKES = {
    "another kind": (["--model=vad.jaxspeech", "a.wav", "d.wav"], "vad.jaxspeech is a classification model"),
    "one recording": (["--model=m.jaxspeech", "a.wav"], "two recordings are compared, not 1; for more, give --trials"),
    "none": (["--model=m.jaxspeech"], "give two recordings, or --trials=LIST"),
    "10 ms": (["--model=m.jaxspeech", "a.wav", "tiny.wav"], "tiny.wav: 10 ms of audio; it takes at least 100 ms"),
    "missing": (["--model=m.jaxspeech", "a.wav", "none.wav"], "none.wav: no such file"),
    "report without trials": (
        ["--model=m.jaxspeech", "a.wav", "d.wav", "--report=x.html"],
        "no effect without --trials",
    ),
    "threshold with trials": (
        ["--model=m.jaxspeech", "--trials=trials.txt", "--threshold=1"],
        "no effect with --trials",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(folder, monkeypatch, capsys, name):
    monkeypatch.chdir(folder)
    arguments, message = MISTAKES[name]
    assert main(["verify", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1


LISTS = {
    "missing file": ("1 a.wav d.wav\n0 a.wav none.wav\n", "list.txt:2: {folder}/none.wav: no such file"),
    "10 ms": ("1 a.wav d.wav\n0 a.wav tiny.wav\n", "tiny.wav: 10 ms of audio"),
    "one kind": ("1 a.wav d.wav\n", "none of 1 trials is of different speakers"),
    "no trial": ("\n", "list.txt: has no trial"),
    "word": ("same a.wav d.wav\n", """list.txt:1: 'same a.wav d.wav' is no trial; write "1 a.wav b.wav" or"""),
    "two columns": ("1 a.wav\n", "list.txt:1: '1 a.wav' is no trial"),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_that_cannot_be_used_is_one_line(folder, capsys, name):
    text, message = LISTS[name]
    (folder / "list.txt").write_text(text)
    assert main(["verify", f"--model={folder}/m.jaxspeech", f"--trials={folder}/list.txt"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message.format(folder=folder) in err and err.count("\n") == 1
    assert main(["verify", f"--model={folder}/m.jaxspeech", f"--trials={folder}/gone.txt"]) == 2
    assert "gone.txt: cannot be read (No such file or directory)" in capsys.readouterr().err
