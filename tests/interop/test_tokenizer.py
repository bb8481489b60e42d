"""Every kind of tokenizer that a .nemo file can have, in new and old layouts."""

import contextlib

import pytest

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.container import NemoFile
from jaxspeech.interop.nemo.tokenizer import read_tokenizer
from jaxspeech.text.train import train_tokenizer
from tests.interop.forge import tar

TEXTS = ["the cat sat on the mat", "a dog ran to the cat", "hello world"] * 5
PIECES = train_tokenizer(TEXTS, type="bpe", vocab_size=30).files()["tokenizer.model"]
MORE_PIECES = train_tokenizer(TEXTS, type="bpe", vocab_size=35).files()["tokenizer.model"]
WORDS = b"[UNK]\nthe\ncat\n##s\n"


@pytest.fixture
def opened(tmp_path):
    with contextlib.ExitStack() as stack:

        def open_with(members, **options):
            path = tmp_path / "x.nemo"
            path.write_bytes(tar(members, **options))
            return stack.enter_context(NemoFile(path))

        yield open_with


@pytest.mark.parametrize(
    ("name", "section"),
    [
        ("1234_tokenizer.model", {"type": "bpe", "model_path": "nemo:1234_tokenizer.model", "dir": "/somewhere"}),
        ("tokenizer.model", {"type": "bpe", "model_path": "tokenizer.model"}),
        ("tokenizer.model", {"type": "bpe", "dir": "/where/it/was/trained"}),
        ("tokenizer.model", {"type": "bpe", "model_path": "/where/it/was/trained/old_name.model"}),
    ],
)
@pytest.mark.parametrize("prefix", ["", "./"])
def test_sentencepiece(opened, name, section, prefix):
    tokenizer = read_tokenizer(opened({name: PIECES}, prefix=prefix), {"tokenizer": section}, 30)
    assert tokenizer.decode(tokenizer.encode("the cat")) == "the cat"


def test_word_pieces(opened):
    section = {"type": "wpe", "model_path": "nemo:1_vocab.txt", "vocab_path": "nemo:1_vocab.txt"}
    tokenizer = read_tokenizer(opened({"1_vocab.txt": WORDS}), {"tokenizer": section}, 4)
    assert tokenizer.encode("the cats") == [1, 2, 3]


def test_several_languages(opened):
    languages = {n: {"type": "bpe", "model_path": f"nemo:{n}_tokenizer.model"} for n in ("en", "es")}
    file = opened({"en_tokenizer.model": PIECES, "es_tokenizer.model": MORE_PIECES})
    tokenizer = read_tokenizer(file, {"tokenizer": {"type": "agg", "langs": languages}}, 65)
    ids = tokenizer.encode("the cat", "es")
    assert min(ids) >= 30 and tokenizer.decode(ids) == "the cat"
    with pytest.raises(ArchiveError, match=r"langs is missing"):
        read_tokenizer(file, {"tokenizer": {"type": "agg"}}, 65)


@pytest.mark.parametrize("config", [{"labels": list("abc")}, {"decoder": {"vocabulary": list("abc")}}])
def test_characters(opened, config):
    assert read_tokenizer(opened({}), config, 3).encode("cab") == [2, 0, 1]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "no tokenizer, and no list of labels"),
        ({"labels": list("abcd")}, "4 pieces, its decoder 30"),
        ({"tokenizer": {"type": "yttm"}}, "tokenizer.type 'yttm'"),
        ({"tokenizer": 3}, "tokenizer.type 3"),
        ({"tokenizer": {"type": "bpe", "model_path": "nemo:x.model"}}, "no member 'x.model'"),
        ({"tokenizer": {"type": "agg", "langs": {"en": {"type": "char"}}}}, "tokenizer.langs.en.type 'char'"),
    ],
)
def test_missing_and_unknown_parts_are_reported(opened, config, message):
    with pytest.raises(ArchiveError, match=message):
        read_tokenizer(opened({}), config, 30)
