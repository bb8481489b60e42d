"""Engines in processes of their own: what comes back from a command, and one line for each thing that can go wrong."""

import importlib
import json
import os
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jaxspeech.engines.engine import ENGINES
from jaxspeech.engines.recordings import SAMPLE_RATE, Prepared, prepare, to_warm_up
from jaxspeech.engines.run import WORKERS, check_engine, run_engine, size_of
from jaxspeech.engines.workers import serving
from jaxspeech.engines.workers.with_command import texts_of
from jaxspeech.errors import ConfigError, SpeechError
from jaxspeech.inference.inputs import Recording

# Prints the name of each file of standard input, last one first, and a line that is not JSON.
REVERSED = """
import json, sys
held = bytearray(60_000_000)
print("loading")
for line in reversed(sys.stdin.readlines()):
    name = json.loads(line)["audio_filepath"]
    print(json.dumps({"audio_filepath": name, "text": "said " + name}))
"""


def command(tmp_path: Path, program: str, arguments: str = "") -> str:
    script = tmp_path / "engine.py"
    script.write_text(program)
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(script))} {arguments}"


def test_a_command_and_what_it_took(tmp_path: Path) -> None:
    found = run_engine("command", command(tmp_path, REVERSED), ["a.wav", "b.wav"], warm_up=["a.wav"])
    assert found.texts == ("said a.wav", "said b.wav") and found.seconds > 0
    assert found.memory is None or 60e6 < found.memory < 400e6  # not that of this process
    assert found.packages is found.model_bytes is None


def test_a_command_can_take_a_manifest_and_answer_in_order(tmp_path: Path) -> None:
    program = 'import sys\nfor i, line in enumerate(open(sys.argv[1])): print(\'{"pred_text": "%d"}\' % i)'
    assert run_engine("command", command(tmp_path, program, "{manifest}"), ["a", "b"]).texts == ("0", "1")


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ('print(\'{"text": "a"}\')', "the command printed 1 texts for 2 recordings"),
        ("import sys; sys.exit(3)", "the command ended with status 3"),
    ],
)
def test_a_command_that_fails_is_one_line(tmp_path: Path, program: str, message: str) -> None:
    with pytest.raises(SpeechError) as error:
        run_engine("command", command(tmp_path, program), ["a", "b"])
    assert message in str(error.value) and "\n" not in str(error.value)


def test_texts_of_a_command() -> None:
    lines = '{"audio_filepath": "a", "text": "1"}\n{"audio_filepath": "b", "pred_text": "2", "text": "x"}\nnote\n{}\n[]'
    assert texts_of(lines, ["b", "a"]) == ["2", "1"]
    with pytest.raises(ValueError, match="2 texts for 2 recordings"):
        texts_of(lines, ["b", "c"])


def test_what_is_not_installed_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "whisper.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # of this environment, not of the engine's
    check_engine("command", python=os.path.relpath(sys.executable))
    with pytest.raises(ConfigError, match=r"openai-whisper is not installed in the environment of .*--python="):
        check_engine("openai-whisper")
    with pytest.raises(ConfigError, match="--python=/no/python: cannot be run"):
        check_engine("nemo", python="/no/python")


def test_every_engine_has_a_worker_that_needs_nothing_to_be_imported() -> None:
    for engine in ENGINES.values():
        name = engine.worker.removesuffix(".py")
        assert (WORKERS / engine.worker).exists() and callable(
            importlib.import_module(f"jaxspeech.engines.workers.{name}").load
        )


def test_packages_are_counted_with_what_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = {"a-b": ["c>=1; python_version > '3'", "D.d[x]; extra == 'more'", "missing"], "c": [], "e": ["a_b"]}
    needs["d-d"] = ["e; extra == 'x'"]

    class Package:
        def __init__(self, name: str):
            if name not in needs:
                raise serving.importlib.metadata.PackageNotFoundError(name)
            self.requires = needs[name]
            self.files = [type("File", (), {"size": 10})(), type("File", (), {"size": None})()]

    monkeypatch.setattr(serving.importlib.metadata, "distribution", Package)
    assert serving._packages(["A_b"]) == {"count": 2, "bytes": 20}
    assert serving._packages(["A_b[more]"]) == {"count": 4, "bytes": 40}
    assert serving._packages(["A_b", "a.b[more]"]) == {"count": 4, "bytes": 40}


def test_all_engines_hear_the_same_files(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full((8000, 2), [0.5, 0.25]), 8000)
    soundfile.write(tmp_path / "b.wav", np.zeros(48000), 16000)
    recordings = [Recording("a", tmp_path / "a.wav", 0.25, 0.5), Recording("b", tmp_path / "b.wav")]
    prepared, problems = prepare([*recordings, Recording("none", tmp_path / "none.wav")], tmp_path)
    assert [x.recording.source for x in prepared] == ["b", "a"] and problems == ["none: no such file"]
    assert [soundfile.info(x.path).subtype for x in prepared] == ["PCM_16", "PCM_32"]  # the second was resampled
    assert not serving.samples_of(prepared[0].path).any()
    samples = serving.samples_of(prepared[1].path)
    assert len(samples) == SAMPLE_RATE // 2 and abs(np.median(samples) - 0.375) < 1e-3


def test_warming_up_on_all_lengths() -> None:
    prepared = [Prepared(Recording(str(i)), f"{i}.wav", 10.0 - i) for i in range(9)]
    assert to_warm_up(prepared, 3) == ["0.wav", "4.wav", "8.wav"]
    assert to_warm_up(prepared, 0) == [] and len(to_warm_up(prepared, 99)) == 9


def test_size_of_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("x", "sub/y"):
        (tmp_path / name).write_bytes(b"12345")
    assert size_of(str(tmp_path)) == 10 and size_of(str(tmp_path / "x")) == 5 and size_of("base") is None


def test_a_job_writes_its_results_or_its_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = {"model": "", "audio": ["a", "b"], "warm_up": ["b"], "packages": [], "output": str(tmp_path / "out.json")}
    (tmp_path / "job.json").write_text(json.dumps(job))
    monkeypatch.setattr(sys, "argv", ["worker", str(tmp_path / "job.json")])
    heard: list[list[str]] = []

    def transcribe(paths: list[str]) -> list[str]:
        heard.append(paths)
        return [path.upper() for path in paths]

    serving.serve(lambda job: (transcribe, {"device": "cpu"}))
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["texts"] == ["A", "B"] and heard == [["b"], ["a", "b"]] and found["device"] == "cpu"
    with pytest.raises(SystemExit):
        serving.serve(lambda job: sys.exit("no\nmodel"))
    assert json.loads((tmp_path / "out.json").read_text()) == {"error": "SystemExit: no model"}
