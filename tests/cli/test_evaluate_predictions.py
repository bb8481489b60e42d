"""jaxspeech evaluate on manifests that hold transcripts: every mistake in them is one line."""

import json
from pathlib import Path

import pytest

from jaxspeech.cli.main import main

LINES = [
    {"text": "the cat sat", "pred_text": "the cat sat", "mine": "a cat", "duration": 1.0},
    {"text": "", "pred_text": "noise"},
    {"text": "on the mat", "pred_text": "on a mat", "word_confidence": [0.9, 0.2, 0.8]},
    {"pred_text": "nobody said"},
    {"text": "left out"},
    {"text": "half", "pred_text": 3},
    {"text": "x y", "pred_text": "x y", "audio_filepath": "a.wav"},
    {"text": "x y", "pred_text": "x y", "audio_filepath": "a.wav"},
]


def write(path: Path, lines: list[dict]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return write(tmp_path / "a.jsonl", LINES)


def test_scores_and_one_line_for_each_fault(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = manifest.with_name("new") / "page.html"
    assert main(["evaluate", f"--manifest={manifest}", f"--output={manifest}.out", f"--report={page}"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{manifest}: WER 20.00% (2 errors in 10 words of 5 references), CER ")
    assert "1 substituted, 0 deleted, 1 inserted; 95% interval" in out and "confidences of 3 words: " in out
    assert err.splitlines() == [
        f"{manifest}: 1 reference without words: what was recognised there counts as inserted",
        f"{manifest}: 1 line without a reference, not scored",
        f"{manifest}: 1 line repeated, such as that of {manifest.with_name('a.wav')}; each one counts",
        f'skipped: {manifest}:5: "pred_text" is missing',
        f'skipped: {manifest}:6: "pred_text" is 3, not a string',
        "8 lines, 2 skipped",
    ]
    lines = [json.loads(line) for line in Path(f"{manifest}.out").read_text().splitlines()]
    assert [line.get("wer") for line in lines] == [0.0, None, 1 / 3, None, 0.0, 0.0]
    assert lines[2]["word_errors"] == {"words": 3, "substitutions": 1, "insertions": 0, "deletions": 0}
    assert lines[2]["text"] == "on the mat" and "pred_words" not in lines[2]
    assert "Right words over their confidence" in page.read_text()


def test_fields_can_be_chosen(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", f"--manifest={manifest}", "--pred_field=mine"]) == 0
    assert "WER 66.67% (2 errors in 3 words of 1 reference)" in capsys.readouterr().out
    assert main(["evaluate", f"--manifest={manifest}", "--pred_field=mine", "--text_field=pred_text"]) == 0
    assert "WER 66.67%" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (LINES, ["--pred_field=pred"], 'no line has a transcript in "pred"; --model=FILE transcribes the recordings'),
        ([{"pred_text": "a"}], [], 'no line has a "text" to compare with'),
        ([{"text": "a"}], [], 'no line has a transcript in "pred_text"'),
        ([{"text": "", "pred_text": "a"}], [], 'no line has a "text" to compare with'),
        (LINES, ["--rtfx"], "--rtfx needs --model=FILE"),
        (LINES, ["--normalize=wisper"], "--normalize: invalid choice: 'wisper'"),
        ([], [], "an empty manifest"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], lines, options, message) -> None:
    assert main(["evaluate", f"--manifest={write(tmp_path / 'a.jsonl', lines)}", *options]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1


def test_no_words_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blank = write(tmp_path / "a.jsonl", [{"text": "\u200b", "pred_text": "a b"}])
    assert main(["evaluate", f"--manifest={blank}"]) == 0
    assert capsys.readouterr().out == f"{blank}: no WER: none of 1 reference has a word, 2 words recognised\n"


def test_translations_have_their_own_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sacrebleu", reason='sacrebleu comes with pip install -e ".[eval]"')
    line = {"text": "ni bezonas panon kaj lakton", "pred_text": "ni bezonas panon kaj lakton", "source_lang": "en"}
    path = write(tmp_path / "a.jsonl", [line | {"target_lang": "eo"}, line | {"target_lang": "en"}])
    assert main(["evaluate", f"--manifest={path}"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.endswith("CER 0.00%, BLEU 100.0, chrF 100.0 (1 translation)") and "5 words of 1 reference" in first
