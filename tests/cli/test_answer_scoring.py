"""`jaxspeech evaluate` of a language model that hears: each line asks, and says how its answer is judged."""

import json
from argparse import Namespace
from typing import Any

import pytest

from jaxspeech.cli.answer_scoring import of_chat
from jaxspeech.errors import ConfigError
from jaxspeech.inference.answer import Answer
from jaxspeech.inference.inputs import Recording
from jaxspeech.pipelines.chat import Chat
from jaxspeech.text.char import CharTokenizer

LINES = [
    {"text": "two dogs"},
    {"text": "yes", "context": "Are there dogs?", "score": "answer"},
    {"context": "Why?"},
]


class Model(Chat):
    """Answers every question with the same."""

    def __init__(self) -> None:
        self.tokenizer, self.asked = CharTokenizer("ab"), list[str]()

    def ask_iter(self, asked: Any, inputs: Any, **options: Any) -> Any:
        assert asked is None and options["on_error"] == "skip"
        self.asked = [recording.fields["context"] for recording in inputs]
        return iter([Answer(" two cats "), Answer("Yes"), Answer("so")])


def test_lines_are_asked_and_judged(tmp_path):
    model = Model()
    flags = Namespace(report=None, batch_size=4, channel="mean")
    scoring = of_chat(model, flags)
    recordings = [Recording(f"{i}.wav", None, fields=fields) for i, fields in enumerate(LINES)]
    assert scoring.problem(recordings) == "" and "text" in scoring.problem(recordings[2:])
    results = list(scoring.results(recordings))
    assert model.asked == ["Transcribe the following: <audio>", "Are there dogs?", "Why?"]
    kept = [scoring.keep(*pair) for pair in zip(recordings, results, strict=True)]
    assert kept[2] is None
    summary = scoring.summarize(kept[:2])
    assert summary is not None and summary.text == "WER 50.00%, 100.0% right of 2 answers"
    with scoring.writer(str(tmp_path / "out.jsonl"), recordings) as write:
        write(recordings[1], results[1])
    assert json.loads((tmp_path / "out.jsonl").read_text()) == LINES[1] | {"pred_text": "Yes"}


def test_there_is_no_report():
    model = Model()
    with pytest.raises(ConfigError, match="--report is for transcripts"):
        of_chat(model, Namespace(report="page.html"))
