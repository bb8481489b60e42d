"""The data of a run: a corpus that is made at the start is added to the recipe's own data."""

import hashlib
import json
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from jaxspeech.configs.base import base_config
from jaxspeech.data import run_data as run
from jaxspeech.data.augment import parse_augment
from jaxspeech.data.identity import identity
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.run_data import make_run_data, training_manifest, with_corpus
from jaxspeech.errors import ConfigError
from jaxspeech.tasks.recognition import Utterances
from jaxspeech.text.char import CharTokenizer
from tests.data.recognition import columns


@pytest.fixture
def corpora(monkeypatch, tmp_path):
    """A corpus with an evaluation part, and one without."""

    def corpus(*parts):
        return SimpleNamespace(make=lambda folder: {part: folder / f"{part}.jsonl" for part in parts})

    monkeypatch.setattr(run, "PREPARE", {"both": corpus("train", "dev"), "voices": corpus("train")})
    return tmp_path


def test_nothing_to_prepare_changes_nothing(tmp_path):
    settings = {"prepare": "", "train": "a.jsonl", "eval": {"dev": "b.jsonl"}}
    assert with_corpus(settings, tmp_path) == settings


def test_a_corpus_may_be_the_only_data(corpora):
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


def run_data(settings, manifest, **options):
    def columns_of(manifest, *, train):
        return columns(manifest, CharTokenizer("a"), sample_rate=8000)

    options = {"augment": parse_augment({}), "accumulate": 1, "share": (0, 1), "report": print} | options
    return make_run_data(settings, manifest, columns_of, Utterances, identity_fields=("text",), **options)


@pytest.mark.parametrize("eval_batch_size", [1, 2, 8, 12])
def test_devices_get_equal_parts_of_evaluation_batches(tmp_path, eval_batch_size):
    for i in range(11):
        soundfile.write(tmp_path / f"{i}.flac", np.zeros(800), 8000)
    lines = [json.dumps({"audio_filepath": f"{i}.flac", "duration": 0.1, "text": "a"}) for i in range(11)]
    manifest = tmp_path / "all.jsonl"
    manifest.write_text("\n".join(lines) + "\n")
    settings = base_config().data.to_dict() | {"eval": {"dev": str(manifest)}, "eval_batch_size": eval_batch_size}
    data = run_data(settings, Manifest(manifest), data_shards=8)
    batches = list(data.eval["dev"].batches())
    assert all(len(batch.samples) % 8 == 0 for batch in batches)
    shown = np.concatenate([batch.index for batch in batches])
    assert sorted(shown[shown >= 0]) == list(range(11))


def test_examples_left_out_by_the_limits_are_reported(tmp_path):
    lines = [json.dumps({"audio_filepath": "a.wav", "duration": seconds, "text": "a"}) for seconds in (0.1, 1, 2, 9, 9)]
    (tmp_path / "train.jsonl").write_text("\n".join(lines) + "\n")
    settings = base_config().data.to_dict() | {"train": tmp_path / "train.jsonl", "min_seconds": 0.5, "max_seconds": 4}
    reported = []
    assert len(training_manifest(settings, report=reported.append)) == 2
    assert reported == [
        "left out: 1 of 5 training examples, shorter than data.min_seconds=0.5",
        "left out: 2 of 5 training examples, longer than data.max_seconds=4",
    ]
    reported.clear()
    training_manifest(settings | {"min_seconds": 0.1, "max_seconds": 9}, report=reported.append)
    assert reported == []


def test_scores_are_stated_with_the_identity_of_their_set(tmp_path):
    soundfile.write(tmp_path / "a.flac", np.zeros(800), 8000)
    one, two = ({"audio_filepath": "a.flac", "duration": 0.1, "text": text} for text in "ab")
    for name, line in (("train", one), ("dev", one), ("other", two), ("copy", one | {"speaker": "x"})):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(line) + "\n")
    evals = {name: str(tmp_path / f"{name}.jsonl") for name in ("dev", "other", "copy")}
    data = run_data(base_config().data.to_dict() | {"eval": evals}, Manifest(tmp_path / "train.jsonl"), data_shards=1)
    stated = data.statement({"dev": {"wer": 0.5, "cer": 0.1}, "other": {"wer": 1.0}})
    assert stated["dev"]["scores"] == {"wer": 0.5, "cer": 0.1} and stated["other"]["scores"] == {"wer": 1.0}
    assert stated["dev"]["set"] == data.identities["dev"] == data.identities["copy"] != stated["other"]["set"]
    smaller = data.resized(0)
    assert smaller.train.batch_shapes[0].rows == 1 and smaller.identities == data.identities


def test_an_identity_depends_on_the_named_fields_and_the_durations(tmp_path):
    line = {"audio_filepath": "a.wav", "duration": 1.0, "text": "a", "speaker": "x"}

    def of(fields=("text",), **changes):
        (tmp_path / "m.jsonl").write_text(json.dumps(line | changes) + "\n")
        return identity(Manifest(tmp_path / "m.jsonl"), fields)

    assert of() == hashlib.sha256(b'["a", 1.0]').hexdigest()[:16]  # the form in existing archives
    assert of() == of(speaker="y") != of(text="b") and of() != of(duration=2.0)
    assert of(("speaker",)) == of(("speaker",), text="b") != of(("speaker",), speaker="y")
