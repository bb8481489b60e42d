"""One recording, line or character never ends a run: what goes wrong is one line, and all else is done and kept."""

import errno
import io
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import jaxspeech
from jaxspeech import loading
from jaxspeech.cli.main import main
from jaxspeech.cli.parser import names
from jaxspeech.inference import read_ahead
from jaxspeech.inference.output import open_output
from jaxspeech.pipelines.recognizer import Recognizer
from jaxspeech.runtime.unicode import HANDLER
from tests.pipelines.tiny_recognizer import chirps, tiny_archive

RATE = 16000
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def asr() -> Recognizer:
    return Recognizer(tiny_archive())


@pytest.fixture
def run(asr: Recognizer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a verb in this process with one loaded model: (status, stdout, stderr)."""
    monkeypatch.setattr(jaxspeech, "load", lambda path, **options: asr)
    monkeypatch.setattr(loading, "load_any", lambda path, **options: asr)

    def run(verb: str, *arguments: object) -> tuple[int, str, str]:
        return main([verb, "--model=tiny", *map(str, arguments)]), *capsys.readouterr()

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i, name in enumerate(("a.wav", "b.wav", "c.wav")):
        soundfile.write(tmp_path / name, chirps(i, 1.0), RATE)
    return tmp_path


def manifest(folder: Path, *lines: str | dict[str, Any]) -> Path:
    path = folder / "in.jsonl"
    path.write_text("".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines), encoding="latin-1")
    return path


def skipped(err: str) -> list[str]:
    return [line.removeprefix("skipped: ") for line in err.splitlines() if line.startswith("skipped: ")]


def test_a_run_that_does_nothing_replaces_nothing(run: Run, folder: Path) -> None:
    (folder / "out.txt").write_text("earlier")
    for arguments in (["nosuch.wav", "--format=text"], ["nosuch.wav", "--format=ctm"], [folder / "empty.jsonl"]):
        status, _, err = run("transcribe", *arguments, f"--output={folder / 'out.txt'}")
        assert (status, len(skipped(err))) == (2, 1) and (folder / "out.txt").read_text() == "earlier"
    path = manifest(folder, {"audio_filepath": "none.wav", "text": "x"})
    for verb in ("align", "evaluate"):
        assert run(verb, f"--manifest={path}", f"--output={folder / 'out.txt'}")[0] == 2
    assert sorted(os.listdir(folder)) == ["a.wav", "b.wav", "c.wav", "in.jsonl", "out.txt"]
    assert (folder / "out.txt").read_text() == "earlier"


def test_one_bad_byte_in_a_manifest_costs_one_line(run: Run, folder: Path) -> None:
    lines: list[Any] = [{"audio_filepath": "a.wav", "text": str(i)} for i in range(11)]
    lines[5] = '{"audio_filepath": "a.wav", "text": "caf\xe9"}'
    path = manifest(folder, *lines)
    status, out, err = run("transcribe", f"--manifest={path}")
    assert status == 0 and [json.loads(line)["text"] for line in out.splitlines()] == [*"01234", *"6789", "10"]
    [line] = skipped(err)
    assert line.startswith(f"{path}:6: not UTF-8") and "11 files, 1 skipped" in err


def test_half_a_character_is_written_as_it_was(run: Run, folder: Path) -> None:
    bad = '{"audio_filepath": "a.wav", "text": "x \\ud83d", "key": "\\udce9"}'
    good, output = {"audio_filepath": "b.wav"}, folder / "o.jsonl"
    path = manifest(folder, good, good, bad, good)
    for verb in ("transcribe", "evaluate"):
        status, _, err = run(verb, f"--manifest={path}", f"--output={output}")
        assert status == 0 and "4 files, 0 skipped" in err
        lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
        assert len(lines) == 4 and json.loads(bad).items() <= lines[2].items() and "pred_text" in lines[2]


@pytest.mark.parametrize(
    ("encoding", "name", "stays"),
    [("ascii", "é.wav", True), ("cp1252", "你好.wav", True), ("ascii", "\udce9.wav", False)],
)
def test_stdout_of_any_encoding(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, name: str, stays: bool
) -> None:
    shutil.copy(folder / "a.wav", folder / name)
    path = folder / "m.jsonl"
    path.write_text(json.dumps({"audio_filepath": name, "text": "一 x"}))
    verbs = [["transcribe", folder / "b.wav", folder / name], ["transcribe", f"--manifest={path}"]]
    verbs += [["evaluate", f"--manifest={path}"], ["align", folder / name, folder / "t.txt"]]
    (folder / "t.txt").write_text("ab 一", encoding="utf-8")
    for verb in verbs:
        stdout = io.TextIOWrapper(raw := io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(sys, "stdout", stdout)
        assert run(*verb)[0] == 0
        if verb is verbs[0]:
            assert os.fsencode(folder / name) in raw.getvalue() and raw.getvalue().count(b"\n") == 2
        if stays:
            raw.getvalue().decode("utf-8")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-16", "utf-8"])
def test_a_terminal_keeps_its_encoding_and_shows_what_it_can(encoding: str) -> None:
    shown = "a é 你 \ud83d".encode(encoding, errors=HANDLER).decode(encoding)
    expected = {"ascii": "a ? ? ?", "cp1252": "a é ? ?", "utf-16": "a é 你 ?"}.get(encoding, "a é 你 \ufffd")
    assert shown == expected


class Broken:
    """A tokenizer, or anything else, of which some calls raise."""

    def __init__(self, whole: Any, calls: dict[str, Callable[..., Any]]):
        self._whole, self._calls = whole, calls

    def __getattr__(self, name: str) -> Any:
        return self._calls.get(name) or getattr(self._whole, name)


ANY = [IndexError("piece id\nis out of range"), MemoryError(), OSError(5, "I/O error"), ValueError("null byte")]


@pytest.mark.parametrize("error", ANY)
def test_a_tokenizer_that_raises_on_one_row(
    run: Run, asr: Recognizer, folder: Path, monkeypatch, error: Exception
) -> None:
    expected = [hypothesis.text for hypothesis in asr.transcribe([folder / "a.wav", folder / "c.wav"])]
    calls = 0

    def decode(ids: Any) -> str:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise error
        return whole.decode(ids)

    whole = asr.tokenizer
    monkeypatch.setattr(asr, "tokenizer", Broken(whole, {"decode": decode}))
    status, out, err = run("transcribe", "--strict", folder)
    assert status == 1 and [line.partition("\t")[2] for line in out.splitlines()] == expected
    [line] = skipped(err)
    assert line.startswith(f"{folder / 'b.wav'}: ") and "3 files, 1 skipped" in err


@pytest.mark.parametrize("error", ANY)
def test_a_decoder_that_raises_on_one_file(
    run: Run, asr: Recognizer, folder: Path, monkeypatch, error: Exception
) -> None:
    read = read_ahead.read

    def broken(path: Any, **options: Any) -> Any:
        if Path(path).name == "b.wav":
            raise error
        return read(path, **options)

    monkeypatch.setattr(read_ahead, "read", broken)
    status, out, err = run("transcribe", folder)
    assert status == 0 and len(out.splitlines()) == 2
    [line] = skipped(err)
    assert line.startswith(f"{folder / 'b.wav'}: ")
    good, bad, other = asr.transcribe(folder, on_error="skip")
    assert good.error is other.error is None and bad.error == line
    with pytest.raises(jaxspeech.SpeechError) as raised:
        asr.transcribe(folder)
    assert raised.value.__cause__ is error


def test_a_writer_that_fails_for_one_file(run: Run, folder: Path) -> None:
    longest = "x" * (255 - len(".wav")) + ".wav"
    shutil.copy(folder / "a.wav", folder / longest)  # with the suffix .TextGrid it is too long
    (folder / "out" / "b.TextGrid").mkdir(parents=True)  # is in the way
    status, _, err = run("transcribe", folder, "--format=textgrid", f"--output={folder / 'out'}")
    assert status == 0 and sorted(os.listdir(folder / "out")) == ["a.TextGrid", "b.TextGrid", "c.TextGrid"]
    inside, too_long = skipped(err)
    assert inside.startswith(f"{folder / 'b.wav'}: ") and "Is a directory" in inside
    assert too_long.startswith(str(folder / longest)) and "File name too long" in too_long


def test_a_full_disk_keeps_what_was_done(run: Run, folder: Path) -> None:
    output = folder / "out.jsonl"
    output.write_text("earlier")
    path = manifest(folder, *({"audio_filepath": "a.wav", "note": "x" * 1000, "id": i} for i in range(8)))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3500, before[1]))  # writing past it fails, as on a full disk
    try:
        status, _, err = run("transcribe", f"--manifest={path}", f"--output={output}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert status == 2 and err.count("\n") == 2 and str(output) in err.splitlines()[1]
    assert output.read_text() == "earlier"
    kept = [json.loads(line)["id"] for line in (folder / "out.jsonl.part").read_text().splitlines()]
    assert kept == [0, 1, 2]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_device_and_a_full_stdout_are_one_line(run: Run, folder: Path) -> None:
    status, _, err = run("transcribe", folder / "a.wav", "--output=/dev/full")
    assert status == 2 and err == f"jaxspeech transcribe: /dev/full: cannot be written: {os.strerror(errno.ENOSPC)}\n"
    code = "from jaxspeech.inference.output import open_output\nfrom jaxspeech.runtime import command\nimport sys\n"
    code += "def f():\n  with open_output(None) as put: put('text')\nsys.exit(command.run(f, name='x'))"
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (2, f"x: standard output cannot be written: {os.strerror(errno.ENOSPC)}\n")


@pytest.mark.parametrize("end", [RuntimeError("a bug"), SystemExit(143), KeyboardInterrupt(), MemoryError()])
def test_after_any_end_what_was_done_is_kept(tmp_path: Path, end: BaseException) -> None:
    (tmp_path / "out.txt").write_text("old")
    for number in range(2):
        with pytest.raises(type(end)), open_output(tmp_path / "out.txt") as put:
            put(f"run {number}\n")
            raise end
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert kept == {"out.txt": "old", "out.txt.part": "run 0\n", "out.txt.part2": "run 1\n"}


def test_what_was_done_is_kept_when_the_process_is_killed(tmp_path: Path) -> None:
    code = "from jaxspeech.inference.output import open_output\nimport os, signal\n"
    code += f"with open_output({str(tmp_path / 'out.txt')!r}) as put:\n"
    code += "  put('one')\n  os.kill(os.getpid(), signal.SIGKILL)"
    subprocess.run([sys.executable, "-c", code])
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"out.txt.part": "one"}


def test_an_output_with_the_longest_name(tmp_path: Path) -> None:
    output = tmp_path / ("é" * 127)
    with open_output(output) as put:
        put("text")
        assert len(os.listdir(tmp_path)) == 1
    assert [path.read_text() for path in tmp_path.iterdir()] == ["text"] and output.exists()
    with pytest.raises(OSError), open_output(tmp_path / ("x" * 256)):
        raise AssertionError("found out too late")


def test_a_closed_stdout_is_found_out_at_once(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    status, _, err = run("transcribe", folder / "a.wav")
    assert status == 2 and "standard output is closed" in err and err.count("\n") == 1


def test_names_with_commas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a,b.jsonl", "a", "c"):
        Path(name).touch()
    assert names("a,b.jsonl") == ["a,b.jsonl"] and names("c,a,b.jsonl,c") == ["c", "a,b.jsonl", "c"]
    assert names("a,c") == ["a", "c"] and names("x,y,") == ["x", "y"]


def test_pipes(run: Run, asr: Recognizer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = asr.transcribe(folder / "a.wav")[0].text
    with open(folder / "a.wav", "rb") as pipe:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pipe.read())))
    assert run("transcribe", "-")[1] == expected + "\n"
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    writer = subprocess.Popen(["sh", "-c", f"cat '{folder / 'a.wav'}' > '{fifo}'"])
    assert run("transcribe", fifo)[1] == expected + "\n"
    writer.wait()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"not audio at all")))
    status, _, err = run("transcribe", "-", folder / "a.wav")
    assert status == 0 and [line.partition(":")[0] for line in skipped(err)] == ["-"]


def test_a_line_on_stderr_is_one_line(run: Run, folder: Path) -> None:
    (folder / "bad\n\x1b[2J.wav").write_text("x")
    _, _, err = run("transcribe", folder)
    assert err.count("\n") == 2 and "\x1b" not in err and "bad\\n\\x1b[2J.wav" in err


def test_anything_may_be_given(asr: Recognizer, folder: Path) -> None:
    class Strange:
        shape = (3,)

        def __array__(self, *_: Any, **__: Any) -> np.ndarray:
            raise RuntimeError("gone")

    inputs = [folder / "a.wav", 3, Strange(), "x\0y.wav", None, folder / "b.wav"]
    found = asr.transcribe(inputs, on_error="skip")
    assert [hypothesis.error is None for hypothesis in found] == [True, False, False, False, False, True]
    pairs = [(folder / "a.wav", 3), (folder, "text"), ("none.wav", "a")]
    assert all(recording.problem or recording.source == "none.wav" for recording in _with_text(pairs))


def _with_text(pairs: Any) -> list[Any]:
    from jaxspeech.inference.inputs import find_recordings_with_text

    return list(find_recordings_with_text(pairs))
