"""The recipe of two tasks, as a user runs it: 20 minutes on two cores.

python -m pytest -m slow -n 0 tests/test_two_tasks.py
"""

import json
from pathlib import Path

import pytest

import jaxspeech
from jaxspeech.cli.main import main
from jaxspeech.evaluation.bleu import bleu
from jaxspeech.text.error_rate import word_errors


@pytest.mark.slow
def test_two_tasks_are_learnt_from_their_prompts(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader", reason='eSpeak NG comes with pip install -e ".[quickstart]"')
    pytest.importorskip("sacrebleu", reason='sacrebleu comes with pip install -e ".[quickstart]"')
    assert main(["train", "--config=two_tasks", f"--workdir={tmp_path}"]) == 0
    asr = jaxspeech.load(tmp_path / "model.jaxspeech")
    folder = tmp_path / "data"
    lines = [json.loads(line) for line in (folder / "dev.jsonl").read_text(encoding="utf-8").splitlines()]
    expected = {lang: [line["text"] for line in lines if line["target_lang"] == lang] for lang in ("en", "eo")}
    recordings = [folder / line["audio_filepath"] for line in lines[::2]]
    # The prompt of the call alone says what is to be done: a file says nothing.
    found = {lang: [h.text for h in asr.transcribe(recordings, target_lang=lang)] for lang in ("en", "eo")}
    assert word_errors(expected["en"], found["en"]).rate <= 0.06
    assert bleu(expected["eo"], found["eo"]) >= 60
    assert bleu(expected["eo"], found["en"]) < 10
