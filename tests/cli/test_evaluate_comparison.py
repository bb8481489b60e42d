"""jaxspeech evaluate --compare and --engine as a user runs them."""

import json
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jaxspeech.cli.main import main
from tests.report.test_page import EVIL, Checker


def write(path: Path, texts: list[str | None], *, said: str = "one two", start: int = 0) -> Path:
    lines = [{"audio_filepath": f"{i}.wav", "text": said, "pred_text": x} for i, x in enumerate(texts, start)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    good = write(tmp_path / "good.jsonl", ["one two"] * 30)
    return [good, write(tmp_path / "bad.jsonl", ["one x"] * 15 + ["one two"] * 14 + [None])]


def test_two_manifests(files: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    page, scores = files[0].with_name("page.html"), files[0].with_name("scores.json")
    assert main(["evaluate", "--compare", *map(str, files), f"--report={page}", f"--scores={scores}"]) == 0
    out, err = capsys.readouterr()
    head, good, bad, pair = out.splitlines()
    assert head.split()[:2] == ["system", "WER"] and good.split()[:2] == ["good", "0.00%"]
    assert bad.split()[:2] == ["bad", "25.86%"]
    assert pair.startswith("bad less good: +25.86 points, +") and pair.endswith("p < 0.0001: good is better")
    assert err.splitlines() == [
        f'skipped: {files[1].with_name("29.wav")}: "pred_text" is missing',
        f"good: 1 recording that another one lacks left out: {files[1].with_name('29.wav')}",
        "29 recordings, 2 systems",
    ]
    values = json.loads(scores.read_text())
    assert values["systems"]["bad"]["words"]["substitutions"] == 15 and values["pairs"][0]["p"] < 1e-4
    assert "All systems give the same text for 14 of 29 utterances" in page.read_text()


def test_nothing_in_the_page_can_run(files: list[Path]) -> None:
    evil = write(files[0].with_name("evil.jsonl"), [EVIL] * 30, said=EVIL)
    page = evil.with_name("page.html")
    assert main(["evaluate", f"--compare={files[0]}", str(evil), f"--report={page}"]) == 0
    checker = Checker()
    checker.feed(page.read_text())
    assert not checker.open and "script" not in {tag for tag, _ in checker.tags}
    assert not [name for _, found in checker.tags for name in found if name.startswith("on")]


def test_engines_run_and_their_transcripts_can_be_compared_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "engine.py"
    program.write_text('import sys\nfor line in sys.stdin: print(\'{"text": "%s"}\' % sys.argv[1])')
    for i in range(3):
        soundfile.write(tmp_path / f"{i}.wav", np.zeros(1600 * (i + 1)), 16000)
    manifest = write(tmp_path / "in.jsonl", [None] * 4)
    run = f"--engine=command:{shlex.quote(sys.executable)} {shlex.quote(str(program))}"
    engines = [f"{run} 'one two'", f"{run} 'one'"]
    where = [f"--output={tmp_path / 'out'}", f"--report={tmp_path / 'page.html'}"]
    assert main(["evaluate", *engines, f"--manifest={manifest}", *where]) == 0
    out, err = capsys.readouterr()
    assert f"skipped: {tmp_path / '3.wav'}: no such file" in err and err.endswith("3 recordings, 2 systems\n")
    assert "RTFx" in out.splitlines()[0] and " 50.00%" in out.splitlines()[2]
    assert "data:audio/flac" in (tmp_path / "page.html").read_text()
    made = sorted((tmp_path / "out").iterdir())
    lines = [json.loads(line) for line in made[0].read_text().splitlines()]
    assert [line["duration"] for line in lines] == [0.3, 0.2, 0.1] and lines[0]["time"] > 0
    assert main(["evaluate", "--compare", *map(str, made)]) == 0
    assert "50.00%" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--compare", "good.jsonl"], "--compare needs two manifests or more"),
        (["--compare", "good.jsonl", "none.jsonl"], "none.jsonl: cannot be read as a manifest"),
        (["--compare", "good.jsonl", "far.jsonl"], "no recording with a reference is in all of"),
        (["--compare", "good.jsonl", "bad.jsonl", "--output=x"], "--output is for --engine"),
        (
            ["--compare=good.jsonl", "--model=m"],
            "--model has no effect with --compare; a model of ours is --engi",
        ),
        (["--engine=nema:x.nemo", "--manifest=good.jsonl"], "there is no engine 'nema'; did you mean \"nemo\""),
        (["--engine=nemo", "--manifest=good.jsonl"], "which model? nemo:MODEL"),
        (["--engine=command:true"], "on what are the engines to be run?"),
        (["--engine=jaxspeech:none.nemo", "--manifest=good.jsonl"], "none.nemo: no such file"),
        (["--engine=command:true", "--manifest=good.jsonl"], "no recording can be read"),
        (["--compare=good.jsonl", "--compare=far.jsonl", "--warm_up=1"], "--warm_up has no effect without --engine"),
        (["--python=x", "--manifest=good.jsonl"], "--python has no effect without --engine"),
    ],
)
def test_a_mistake_is_one_line(files, monkeypatch, capsys, arguments, message) -> None:
    monkeypatch.chdir(files[0].parent)
    write(Path("far.jsonl"), ["x"], start=99)
    assert main(["evaluate", *arguments]) == 2
    out, err = capsys.readouterr()
    rest = [line for line in err.splitlines() if not line.startswith(("skipped: ", "good: ", "far: "))]
    assert out == "" and len(rest) == 1 and message in rest[0]
