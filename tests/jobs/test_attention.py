"""The job of attention decoders: what a CTC head learns from, and the scores of a set with translations."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jaxspeech.builder import build
from jaxspeech.configs import two_tasks
from jaxspeech.data.two_tasks import both_tasks
from jaxspeech.errors import ConfigError
from jaxspeech.evaluation.evaluation import Evaluation
from jaxspeech.jobs.attention import ATTENTION
from jaxspeech.jobs.job import Placement

TEXTS = ["turn off the lamp in the kitchen", "call my friend at noon", "we need milk rice and fish"]


@pytest.fixture
def settings(tmp_path: Path) -> dict:
    """The recipe of two tasks with three recordings of noise, a small tokenizer and batches of two."""
    for name in "abc":
        soundfile.write(tmp_path / f"{name}.wav", np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
    recordings = [
        {"audio_filepath": f"{name}.wav", "duration": 1.0, "text": text}
        for name, text in zip("abc", TEXTS, strict=True)
    ]
    lines = [line for recording in recordings for line in both_tasks(recording)]
    manifest = tmp_path / "two.jsonl"
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    config = two_tasks.get_config()
    config.tokenizer.vocab_size, config.data.batch_size, config.data.buckets = 60, 2, 1
    config.data.prepare, config.data.train, config.data.eval = "", (str(manifest),), {"dev": str(manifest)}
    return json.loads(config.to_json())


def made(settings):
    source = ATTENTION.source(settings, print)
    assets = ATTENTION.assets(settings, source, {})
    task = build(ATTENTION.sized(settings["model"], assets))
    return assets, task, ATTENTION.data(settings, source, assets, task, Placement(), print)


def test_a_ctc_head_learns_what_is_said(settings):
    assets, _, data = made(settings)
    tokenizer, [batch] = assets["tokenizer"], list(data.eval["dev"].batches())
    for row, index in enumerate(batch.index):
        if index >= 0:
            fields = data.eval["dev"].fields(int(index))
            assert tokenizer.decode(batch.labels[row, : batch.num_labels[row]].tolist()) == fields["text"]
            assert tokenizer.decode(batch.said[row, : batch.num_said[row]].tolist()) == TEXTS[index // 2]
    settings["model"]["loss"]["ctc_weight"] = 0.0
    assert next(iter(made(settings)[2].eval["dev"].batches())).said is None


def test_a_set_of_both_has_both_scores(settings):
    pytest.importorskip("sacrebleu", reason='sacrebleu comes with pip install -e ".[eval]"')
    assets, task, data = made(settings)
    evaluation: Evaluation = ATTENTION.evaluation(settings, assets, task)
    fields = {index: data.eval["dev"].fields(index) for index in range(6)}
    found = {index: str(line["text"]) for index, line in fields.items()}
    assert evaluation.score(found, fields) == {"wer": 0.0, "bleu": pytest.approx(1.0)}
    found[1] = found[3] = TEXTS[0]
    assert evaluation.score(found, fields)["wer"] == 0.0 and evaluation.score(found, fields)["bleu"] < 0.6


def test_without_sacrebleu_a_run_with_translations_does_not_begin(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(ConfigError, match=r'pip install "jaxspeech\[eval\]"'):
        made(settings)
