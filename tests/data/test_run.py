"""The data of a run: a corpus made at the start joins what the recipe names."""

from types import SimpleNamespace

import pytest

from jaxspeech.data import run
from jaxspeech.data.run import with_corpus
from jaxspeech.errors import ConfigError


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
