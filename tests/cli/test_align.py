"""jaxspeech align as a user runs it."""

import json
from pathlib import Path

import pytest
import soundfile

import jaxspeech
from jaxspeech.cli.main import main
from jaxspeech.inference.writers import FORMATS
from jaxspeech.pipelines.recognizer import Recognizer
from tests.inference.test_formats import parse_srt
from tests.inference.test_long import RATE, recognizer
from tests.inference.test_textgrid import parse
from tests.pipelines.tiny_recognizer import chirps

TEXT = "The quick — brown fox\njumps."


@pytest.fixture
def asr(monkeypatch: pytest.MonkeyPatch) -> Recognizer:
    asr = recognizer("ctc")
    monkeypatch.setattr(jaxspeech, "load", lambda path, **options: asr)
    return asr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i, name in enumerate("ab"):
        soundfile.write(tmp_path / f"{name}.wav", chirps(i, 9.0), RATE, subtype="FLOAT")
    (tmp_path / "a.txt").write_text(TEXT)
    lines = [{"audio_filepath": "a.wav", "text": TEXT, "id": 1}, {"audio_filepath": "b.wav", "text": "in 5 jugs"}]
    lines.append({"audio_filepath": "c.wav", "text": "x"})
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def run(*arguments: object) -> int:
    return main(["align", "--model=tiny.jaxspeech", *map(str, arguments)])


def test_a_recording_and_a_text_file(asr: Recognizer, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [expected] = asr.align(folder / "a.wav", TEXT)
    assert run(folder / "a.wav", folder / "a.txt") == 0
    out, err = capsys.readouterr()
    rows = [line.split("\t") for line in out.splitlines()]
    assert rows == [[f"{s.start:.2f}", f"{s.end:.2f}", s.text] for s in expected.segments]
    assert err.startswith("1 file, 0 skipped, 9.0 s of audio in ")
    assert run(folder / "a.wav", folder / "a.txt", f"--output={folder / 'a.TextGrid'}") == 0
    tiers = parse((folder / "a.TextGrid").read_text())
    assert [text for *_, text in tiers["words"] if text] == [word.text for word in expected.words]
    assert tiers["words"][-1][1] == 9.0


@pytest.mark.parametrize("output_format", FORMATS)
def test_a_manifest_in_every_format(
    asr: Recognizer, folder: Path, capsys: pytest.CaptureFixture[str], output_format: str
) -> None:
    out = folder / "out"
    assert run(f"--manifest={folder / 'm.jsonl'}", f"--format={output_format}", f"--output={out}") == 0
    reported = capsys.readouterr().err.splitlines()
    assert reported[0].endswith(
        "b.wav: aligned words that the tokenizer cannot spell were placed between their neighbours: 5"
    )
    assert reported[1] == f"skipped: {folder / 'c.wav'}: no such file" and reported[2].startswith("3 files, 1 skipped")
    if output_format in ("text", "jsonl", "ctm"):
        content = out.read_text()
        assert len(content.splitlines()) == {"text": 3, "jsonl": 2, "ctm": 7 + 1}[output_format]
    else:
        names = {"textgrid": ["a.TextGrid", "b.TextGrid"]}.get(output_format, [f"{x}.{output_format}" for x in "ab"])
        assert sorted(file.name for file in out.iterdir()) == names
    if output_format == "ctm":
        assert all(len(line.split()) == 6 for line in content.splitlines()) and "quick_—" in content
    if output_format == "srt":
        said = [text for *_, text in parse_srt((out / "a.srt").read_text())]
        assert " ".join(said).split() == TEXT.split()


def test_strict_and_mistakes(asr: Recognizer, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(f"--manifest={folder / 'm.jsonl'}", "--strict") == 1
    assert run(folder / "none.wav", folder / "a.txt") == 2
    capsys.readouterr()
    (folder / "bad.txt").write_bytes(b"\xff\xfe")
    for arguments, why in [
        ([], "what is to be aligned"),
        ([folder / "a.wav"], "what is to be aligned"),
        ([folder / "a.wav", folder / "none.txt"], "none.txt"),
        ([folder / "a.wav", folder / "bad.txt"], "not text in UTF-8"),
        ([folder / "a.wav", folder / "a.txt", "--channel=left"], "--channel: 'left' is neither"),
    ]:
        assert run(*arguments) == 2
        out, err = capsys.readouterr()
        assert out == "" and why in err and err.count("\n") == 1
