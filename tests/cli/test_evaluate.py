"""jaxspeech evaluate as a user runs it: rates on stdout, one line per manifest."""

import json
import re
from pathlib import Path

import pytest
import soundfile

from jaxspeech import loading
from jaxspeech.cli.main import main
from jaxspeech.pipelines.recognizer import Recognizer
from jaxspeech.text.normalize import normalize
from tests.pipelines.tiny_recognizer import chirps, tiny_archive

RATE = 16000


@pytest.fixture(scope="module")
def asr() -> Recognizer:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAXSPEECH_CACHE", "off")
        return Recognizer(tiny_archive())


@pytest.fixture
def folder(tmp_path: Path, asr: Recognizer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Manifest `a` has the model's own transcripts, `b` an extra word; it also names a file that is missing."""
    monkeypatch.setattr(loading, "load_any", lambda path, **options: asr)
    soundfile.write(tmp_path / "a.wav", chirps(0, 1.6), RATE)
    said = asr.transcribe(tmp_path / "a.wav")[0].text
    line = {"audio_filepath": "a.wav", "text": said}
    more = {"audio_filepath": "a.wav", "text": f"{said} more"}
    missing = {"audio_filepath": "none.wav", "text": "nobody knows"}
    (tmp_path / "a.jsonl").write_text(json.dumps(line) + "\n")
    (tmp_path / "b.jsonl").write_text("".join(json.dumps(x) + "\n" for x in (missing, more)))
    (tmp_path / "c.jsonl").write_text(json.dumps({"audio_filepath": "a.wav"}) + "\n")
    return tmp_path


def test_rates_of_each_manifest(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = folder / "a.jsonl", folder / "b.jsonl"
    assert main(["evaluate", "--model=m", f"--manifest={a},{b}", f"--output={folder / 'out.jsonl'}"]) == 0
    out, err = capsys.readouterr()
    first, edits, second, _ = out.splitlines()
    assert edits.startswith("  0 substituted, 0 deleted, 0 inserted; 95% interval of the WER 0.00% to 0.00% ")
    assert re.fullmatch(rf"{a}: WER 0\.00% \(0 errors in \d+ words? of 1 reference\), CER 0\.00%", first)
    words = len(json.loads(a.read_text())["text"].split()) + 1
    assert second.startswith(f"{b}: WER {1 / words:.2%} (1 error in {words} words of 1 reference), CER ")
    assert err.splitlines()[0] == f"skipped: {folder / 'none.wav'}: no such file"
    assert err.splitlines()[1].startswith("3 files, 1 skipped, 3.2 s of audio in ")
    lines = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert [line["text"].removesuffix(" more") for line in lines] == [line["pred_text"] for line in lines]
    assert [line["word_errors"]["insertions"] + line["word_errors"]["deletions"] for line in lines] == [0, 1]
    assert main(["evaluate", "--model=m", f"--manifest={a},{b}", "--strict"]) == 1


def test_speed_confidences_and_a_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, scores, output = (folder / name for name in ("page.html", "scores.json", "out.jsonl"))
    wanted = [f"--report={page}", f"--scores={scores}", f"--output={output}", "--rtfx", "--confidence"]
    assert main(["evaluate", "--model=m", f"--manifest={folder / 'b.jsonl'}", "--normalize=basic", *wanted]) == 0
    out, err = capsys.readouterr()
    assert re.search(
        r"^RTFx \d+\.\d\d: 1\.6 s of audio in \d+\.\d\d s, batch size 16, .+, after a warm-up on all", out, re.M
    )
    assert (
        "normalised by basic" in out and re.search(r"confidences of \d+ words?: ", out) and "warmed up on 2 rec" in err
    )
    found = json.loads(scores.read_text())
    [values] = found["manifests"].values()
    assert found["speed"]["rtfx"] > 0 and values["confidence"]["words"] > 0 and values["wer"] > 0
    line = json.loads(output.read_text())
    assert line["scored_text"] == normalize(line["text"]) and line["pred_words"]
    content = page.read_text()
    assert "data:audio/flac" in content and "Right words over their confidence" in content and "ECE" in content


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("c.jsonl", 'c.jsonl: no line has a "text" to compare with'),
        ("none.jsonl", "none.jsonl: cannot be read as a manifest (No such file or directory)"),
        ("", "on what is the model to be evaluated?"),
    ],
)
def test_a_mistake_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str], manifest: str, message: str) -> None:
    assert main(["evaluate", "--model=m", f"--manifest={folder / manifest if manifest else ''}"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1
