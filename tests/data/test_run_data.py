"""The data of a run: a corpus made at the start joins what the recipe names."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from jaxspeech.configs.base import base_config
from jaxspeech.data import run_data as run
from jaxspeech.data.augment import parse_augment
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.run_data import make_run_data, training_manifest, with_corpus
from jaxspeech.errors import ConfigError
from jaxspeech.text.char import CharTokenizer


@pytest.fixture
def corpora(monkeypatch, tmp_path):
    """One with an evaluation part, one without."""

    def corpus(*parts):
        return SimpleNamespace(make=lambda folder: {part: folder / f"{part}.jsonl" for part in parts})

    monkeypatch.setattr(run, "PREPARE", {"both": corpus("train", "dev"), "voices": corpus("train")})
    return tmp_path


def test_nothing_to_prepare_changes_nothing(tmp_path):
    settings = {"prepare": "", "train": "a.jsonl", "eval": {"dev": "b.jsonl"}}
    assert with_corpus(settings, tmp_path) == settings


def test_a_corpus_is_all_that_there_is(corpora):
    made = with_corpus({"prepare": "both", "train": (), "eval": {}}, corpora)
    assert made["train"] == [f"{corpora}/train.jsonl"] and made["eval"] == {"dev": f"{corpora}/dev.jsonl"}


@pytest.mark.parametrize("train", ["a.jsonl", ("a.jsonl",), "['a.jsonl']"])
def test_a_corpus_joins_the_recipes_own(corpora, train):
    made = with_corpus({"prepare": "voices", "train": train, "eval": {"dev": "b.jsonl"}}, corpora)
    assert made["train"] == ["a.jsonl", f"{corpora}/train.jsonl"] and made["eval"] == {"dev": "b.jsonl"}


def test_the_recipes_own_evaluation_stays(corpora):
    made = with_corpus({"prepare": "both", "train": (), "eval": {"dev": "b.jsonl"}}, corpora)
    assert made["eval"] == {"dev": "b.jsonl"}


def test_an_unknown_corpus_is_named(corpora):
    with pytest.raises(ConfigError, match='did you mean "voices"'):
        with_corpus({"prepare": "voces", "train": (), "eval": {}}, corpora)


@pytest.mark.parametrize("eval_batch_size", [1, 2, 8, 12])
def test_devices_get_equal_parts_of_evaluation_batches(tmp_path, eval_batch_size):
    for i in range(11):
        soundfile.write(tmp_path / f"{i}.flac", np.zeros(800), 8000)
    lines = [json.dumps({"audio_filepath": f"{i}.flac", "duration": 0.1, "text": "a"}) for i in range(11)]
    manifest = tmp_path / "all.jsonl"
    manifest.write_text("\n".join(lines) + "\n")
    settings = base_config().data.to_dict() | {"eval": {"dev": str(manifest)}, "eval_batch_size": eval_batch_size}
    options = {"sample_rate": 8000, "augment": parse_augment({}), "accumulate": 1, "share": (0, 1), "report": print}
    data = make_run_data(settings, Manifest(manifest), CharTokenizer("a"), data_shards=8, **options)
    batches = list(data.eval["dev"].batches())
    assert all(len(batch.samples) % 8 == 0 for batch in batches)
    shown = np.concatenate([batch.index for batch in batches])
    assert sorted(shown[shown >= 0]) == list(range(11))


def test_what_the_limits_leave_out_is_told(tmp_path):
    lines = [json.dumps({"audio_filepath": "a.wav", "duration": seconds, "text": "a"}) for seconds in (0.1, 1, 2, 9, 9)]
    (tmp_path / "train.jsonl").write_text("\n".join(lines) + "\n")
    settings = base_config().data.to_dict() | {"train": tmp_path / "train.jsonl", "min_seconds": 0.5, "max_seconds": 4}
    told = []
    assert len(training_manifest(settings, report=told.append)) == 2
    assert told == [
        "left out: 1 of 5 training examples, shorter than data.min_seconds=0.5",
        "left out: 2 of 5 training examples, longer than data.max_seconds=4",
    ]
    told.clear()
    training_manifest(settings | {"min_seconds": 0.1, "max_seconds": 9}, report=told.append)
    assert told == []
