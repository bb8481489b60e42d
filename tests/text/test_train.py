"""Training a tokenizer, and the errors if it cannot be trained."""

import gzip

import pytest

from jaxspeech.errors import TokenizerError
from jaxspeech.text.train import read_texts, train_tokenizer

TEXTS = ["the cat sat on the mat", "a dog ran to the cat", "hello world"] * 5


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_the_largest_vocabulary_is_named_and_works(kind):
    with pytest.raises(TokenizerError, match=r"too large for this text: at most \d+ works") as caught:
        train_tokenizer(TEXTS, type=kind, vocab_size=1000)
    largest = int(str(caught.value).split("at most ")[1].split()[0])
    assert train_tokenizer(TEXTS, type=kind, vocab_size=largest).vocab_size == largest


def test_too_small_a_vocabulary_and_no_text_are_errors():
    with pytest.raises(TokenizerError, match="characters alone take 16") as caught:
        train_tokenizer(TEXTS, type="bpe", vocab_size=5)
    assert "\n" not in str(caught.value)
    with pytest.raises(TokenizerError, match="no text"):
        train_tokenizer(["", " "], type="char")


def test_the_same_texts_give_the_same_bytes_without_output(capfd):
    first, second = (train_tokenizer(iter(TEXTS), type="unigram", vocab_size=20).files() for _ in range(2))
    assert first == second
    assert capfd.readouterr() == ("", "")


def test_a_packed_manifest_with_bad_bytes_is_one_line(tmp_path):
    path = tmp_path / "m.jsonl.gz"
    whole = gzip.compress(b'{"text": "a"}\n' * 100)
    path.write_bytes(whole[:10] + b"\xff" * 20 + whole[30:])
    with pytest.raises(TokenizerError, match=r"m\.jsonl\.gz cannot be read: ") as caught:
        read_texts([str(path)], [], report=print)
    assert "\n" not in str(caught.value)
