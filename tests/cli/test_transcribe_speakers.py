"""jaxspeech transcribe --speakers as a user runs it."""

import json

import numpy as np
import pytest
import soundfile

import jaxspeech
from jaxspeech import loading
from jaxspeech.archive import save_archive
from jaxspeech.cli import speakers
from jaxspeech.cli.main import main
from jaxspeech.diarization.rttm import read_rttm
from jaxspeech.diarization.seglst import read_seglst
from jaxspeech.inference.writers import SPEAKER_FORMATS
from jaxspeech.pipelines.recognizer import Recognizer
from tests.pipelines.speaker_model import speaker_archive
from tests.pipelines.tiny_recognizer import RATE, chirps, tiny_archive


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A recogniser, a speaker model, two recordings and their turns."""
    folder = tmp_path_factory.mktemp("speakers")
    save_archive(folder / "asr.jaxspeech", **tiny_archive()._asdict())
    save_archive(folder / "voices.jaxspeech", **speaker_archive()._asdict())
    rows = []
    for number, name in enumerate(("a", "b")):
        soundfile.write(folder / f"{name}.wav", chirps(number, 3.2), RATE)
        for start, speaker in ((0.0, "ann"), (1.6, "bob")):
            rows.append(f"SPEAKER {name} 1 {start} 1.6 <NA> <NA> {speaker} <NA> <NA>\n")
    (folder / "t.rttm").write_text("".join(rows))
    noise = np.random.default_rng(0).normal(size=2 * RATE) * 0.3
    noise[RATE : RATE + RATE // 2] *= 1e-4
    soundfile.write(folder / "c.wav", noise, RATE)
    return folder


@pytest.fixture(scope="module")
def asr():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAXSPEECH_CACHE", "off")
        return Recognizer(tiny_archive())


@pytest.fixture
def run(asr, folder, monkeypatch, capsys):
    for module, name in ((jaxspeech, "load"), (loading, "load_any")):
        load = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda path, *kind, load=load, **given: asr if "asr." in path else load(path, *kind, **given)
        )
    monkeypatch.chdir(folder)

    def run(*arguments):
        status = main(["transcribe", "--model=asr.jaxspeech", *map(str, arguments)])
        return status, *capsys.readouterr()

    return run


def test_formats_are_those_of_the_writers():
    assert speakers.SPEAKER_FORMATS == SPEAKER_FORMATS


def test_text_and_json_have_names(run):
    status, out, _ = run("--speakers=t.rttm", "a.wav")
    assert status == 0 and out.startswith("ann: ") and "\nbob: " in out
    _, out, _ = run("--speakers=t.rttm", "--timestamps", "a.wav")
    assert {line.split("\t")[2] for line in out.splitlines()} == {"ann", "bob"}
    _, out, _ = run("--speakers=t.rttm", "--format=jsonl", "a.wav")
    assert {word["speaker"] for word in json.loads(out)["pred_words"]} == {"ann", "bob"}


def test_all_recordings_in_one_file(run, folder):
    status, out, err = run("--speakers=t.rttm", "--output=all.seglst.json", "a.wav", "b.wav")
    assert (status, out) == (0, "") and "2 files, 0 skipped" in err
    found = read_seglst(folder / "all.seglst.json")
    assert list(found) == ["a", "b"] and {x.speaker for x in found["a"]} == {"ann", "bob"}
    run("--speakers=t.rttm", "--output=all.rttm", "a.wav", "b.wav")
    assert read_rttm(folder / "all.rttm") == read_rttm(folder / "t.rttm")


def test_a_speaker_model_clusters_and_names(run, folder):
    status, out, _ = run("--speakers=voices.jaxspeech", "--num_speakers=2", "--format=rttm", "c.wav")
    assert status == 0 and {line.split()[7] for line in out.splitlines()} == {"speaker_0", "speaker_1"}
    vectors = np.random.default_rng(0).normal(size=(1, 6))
    np.savez(folder / "ann.npz", embeddings=np.concatenate([vectors, -vectors]), speakers=["ann", "eve"])
    options = ["--speakers=voices.jaxspeech", "--enrolled=ann.npz", "--threshold=-1", "--num_speakers=2"]
    status, out, _ = run(*options, "--format=rttm", "c.wav")
    assert status == 0 and {line.split()[7] for line in out.splitlines()} == {"ann", "eve"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--num_speakers=2", "--num_speakers is for finding speakers: add --speakers=MODEL"),
        ("--format=seglst", "--format=seglst says who speaks: add --speakers=MODEL"),
        ("--enrolled=x.npz", "--enrolled is for finding speakers: add --speakers=MODEL"),
        ("--speakers=asr.jaxspeech", "asr.jaxspeech is a recognition model: --speakers takes a model of diarization"),
        ("--speakers=none.nemo", "none.nemo"),
        ("--speakers=", "which speakers? --speakers=FILE names"),
        ("--speakers=t.rttm --num_speakers=2", "--num_speakers has no effect with turns that are known: t.rttm"),
        ("--speakers=voices.jaxspeech --threshold=.5", "--threshold is for known voices: add --enrolled=VOICES.npz"),
        ("--speakers=voices.jaxspeech --embedder=v.nemo", "voices.jaxspeech is a speaker model itself"),
        ("--speakers=voices.jaxspeech --enrolled=none.npz", "none.npz: cannot be read as voices"),
        ("--speakers=voices.jaxspeech --min_speakers=9", "min_speakers is 9, which is more than max_speakers, 8"),
    ],
)
def test_mistakes_are_one_line(run, options, message):
    status, out, err = run(*options.split(" "), "a.wav")
    assert (status, out) == (2, "") and message in err and err.count("\n") == 1
