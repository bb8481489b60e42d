"""Our files of n-gram models: exact, refused for another tokenizer, and safe to read."""

import json
import zipfile

import numpy as np
import pytest

from jaxspeech.errors import LanguageModelError
from jaxspeech.ngrams.file import read_ngrams, tokenizer_hash, write_ngrams
from jaxspeech.ngrams.load import from_arpa, load_ngrams
from jaxspeech.ngrams.nemo import read_nemo, write_nemo
from jaxspeech.text.char import CharTokenizer
from tests.ngrams.models import write


@pytest.fixture
def path(tmp_path):
    model = from_arpa(write(tmp_path / "lm.arpa"), vocab_size=3, pieces="abc")
    write_ngrams(tmp_path / "new folder" / "lm.ngram", model._replace(training={"texts": 7}))
    return tmp_path / "new folder" / "lm.ngram"


def rewrite(path, change):
    """Writes the file again, with members that `change` returns."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in change(members).items():
            archive.writestr(zipfile.ZipInfo(name), content)


def test_a_model_is_read_as_it_was_written(path):
    model = from_arpa(path.parent.parent / "lm.arpa", vocab_size=3, pieces="abc")
    read = load_ngrams(path, CharTokenizer("abc"))
    assert read._replace(orders=()) == model._replace(orders=(), training={"texts": 7})
    for ours, theirs in zip(read.orders, model.orders, strict=True):
        for mine, other in zip(ours, theirs, strict=True):
            assert mine.dtype == other.dtype
            np.testing.assert_array_equal(mine, other)


def test_another_tokenizer_is_refused(path):
    for letters in ("abcd", "abd"):
        digits = f"{tokenizer_hash('abc')[:12]}.*{tokenizer_hash(letters)[:12]}.*train it again with --model"
        with pytest.raises(LanguageModelError, match=digits):
            load_ngrams(path, CharTokenizer(letters))
    assert tokenizer_hash(["ab", "c"]) != tokenizer_hash(["a", "bc"])


def header(**changes):
    def change(members):
        found = json.loads(members["header.json"]) | changes
        return members | {"header.json": json.dumps(found).encode()}

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m | {"1.tokens": m["1.tokens"][:-4] + b"\x09\0\0\0"}, "1.tokens is damaged"),
        (lambda m: m | {"1.code": b""}, "its member '1.code' is unknown"),
        (lambda m: {name: m[name] for name in m if name != "2.tokens"}, "its list of arrays and its members differ"),
        (lambda m: {name: m[name] for name in m if name != "header.json"}, "no header.json"),
        (header(format=2), "format 2 is newer than this jaxspeech reads"),
        (header(vocab_size=2), "its tables are damaged"),
        (header(pieces=["a"]), "its tables are damaged"),
        (header(arrays=[]), "damaged"),
        (lambda m: m | {"header.json": b"{"}, "damaged"),
    ],
)
def test_a_damaged_file_is_one_line(path, change, message):
    rewrite(path, change)
    with pytest.raises(LanguageModelError, match=message) as caught:
        read_ngrams(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(("field", "value"), [("log_probs", np.inf), ("log_probs", np.nan), ("backoffs", -np.inf)])
def test_weights_that_are_no_numbers_are_damage(path, field, value):
    model = read_ngrams(path)
    orders = [table._replace(**{field: np.full(len(table.tokens), value, np.float32)}) for table in model.orders]
    write_ngrams(path, model._replace(orders=tuple(orders)))
    with pytest.raises(LanguageModelError, match="its tables are damaged"):
        read_ngrams(path)
    write_nemo(path.with_suffix(".nemo"), model._replace(orders=tuple(orders)))
    with pytest.raises(LanguageModelError, match="damaged: a weight is no number"):
        read_nemo(path.with_suffix(".nemo"))


def test_files_that_are_none_are_one_line(path, tmp_path):
    path.write_bytes(path.read_bytes()[:-40])
    for file, message in ((path, "no n-gram model of ours, or damaged"), (tmp_path, "a folder, not a file")):
        with pytest.raises(LanguageModelError, match=message):
            load_ngrams(file, CharTokenizer("abc"))
    with pytest.raises(LanguageModelError, match="cannot be written"):
        write_ngrams(tmp_path / "lm.arpa" / "x.ngram", from_arpa(tmp_path / "lm.arpa", vocab_size=3, pieces="abc"))
