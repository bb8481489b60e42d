"""jaxspeech transcribe with an attention decoder: what is asked for, and every mistake in one line."""

import json

import numpy as np
import pytest
import soundfile

from jaxspeech import loading
from jaxspeech.cli.main import main
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.pipelines.recognizer import Recognizer
from tests.pipelines.prompted_model import prompted_archive

NOISE = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)


@pytest.fixture(scope="module")
def asr():
    return Recognizer(prompted_archive())


@pytest.fixture
def run(asr, monkeypatch, capsys, tmp_path):
    """Runs the command in this process on two files: (status, stdout, lines of stderr)."""
    monkeypatch.setattr(loading, "load_any", lambda path, **options: asr)
    for name, samples in (("a", NOISE), ("short", NOISE[:800])):
        soundfile.write(tmp_path / f"{name}.wav", samples, 16000)

    def run(*arguments):
        status = main(["transcribe", "--model=tiny.jaxspeech", *map(str, arguments)])
        out, err = capsys.readouterr()
        return status, out, err.splitlines()

    return run


def test_each_line_of_a_manifest_is_done_or_skipped_in_one_line(run, asr, tmp_path):
    asked = [{"source_lang": "de"}, {"source_lang": "xx"}, {"source_lang": "auto"}, {"taskname": "ast"}, {"pnc": "?"}]
    lines = [{"audio_filepath": "a.wav", **slots} for slots in asked] + [{"audio_filepath": "short.wav"}]
    manifest = tmp_path / "list.jsonl"
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    status, out, err = run(f"--manifest={manifest}")
    done = [json.loads(line) for line in out.splitlines()]
    assert status == 0 and [line.get("source_lang") for line in done] == ["de", "auto", None]
    assert done[1].pop("pred_source_lang") in ("en", "de") and not any("pred_source_lang" in line for line in done)
    assert done[0]["pred_text"] == asr.transcribe(tmp_path / "a.wav", source_lang="de")[0].text
    assert done[2]["pred_text"] == ""
    path = tmp_path / "a.wav"
    assert err[:3] == [
        f"skipped: {path}: source_lang cannot be 'xx': this model knows en, de",
        f"skipped: {path}: task 'ast' needs target_lang, the language of the text",
        f"skipped: {path}: pnc can be yes or no, not '?'",
    ]
    assert len(err) == 4 and err[3].startswith("6 files, 3 skipped")
    # What a line lacks, the call can give.
    status, out, err = run(f"--manifest={manifest}", "--prompt=target_lang=de", "--strict")
    assert status == 1 and len(out.splitlines()) == 4 and "5" not in err[-1].split(",")[0]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--prompt=source_lang=xx", "source_lang cannot be 'xx': this model knows en, de"),
        ("--prompt=itn=yes", "the prompt format 'canary' has no slot 'itn'"),
        ("--prompt=task=translate", "task 'translate' needs target_lang, the language of the text"),
        ("--prompt=language=de", "there is no slot 'language'"),
        ("--prompt=de", "'de' is not name=value"),
        ("--guard=yes", "--guard: a switch takes no value"),
        ("--guard --stream", "--guard is for whole recordings"),
    ],
)
def test_a_mistake_in_the_call_is_one_line(run, tmp_path, option, message):
    status, out, err = run(*option.split(), tmp_path / "a.wav")
    assert status == 2 and out == "" and len(err) == 1 and message in err[0]


def test_the_guard_is_an_option_of_the_call(run, asr, tmp_path, monkeypatch):
    given = []

    def transcribe_iter(inputs, *, guard, **options):
        given.append(guard)
        return (Hypothesis(note="as the best of 6 texts; it repeated itself") for _ in inputs)

    monkeypatch.setattr(asr, "transcribe_iter", transcribe_iter)
    for options in ([], ["--guard"], ["--noguard"]):
        assert ": transcribed as the best of 6 texts; it repeated itself" in run(*options, tmp_path / "a.wav")[2][0]
    assert given == [None, True, False]


@pytest.mark.slow
def test_an_hour_of_silence(run, tmp_path):
    """pytest -m slow tests/cli/test_transcribe_prompted.py: 10 s."""
    soundfile.write(tmp_path / "hour.flac", np.zeros(3600 * 16000, np.int16), 16000)
    status, out, err = run(tmp_path / "hour.flac")
    assert (status, out) == (0, "\n") and "1 file, 0 skipped, 3600.0 s of audio" in err[-1]
