"""Training a tokenizer: the function, the command, and what they say when it cannot be done."""

import json

import pytest

from jaxspeech.errors import TokenizerError
from jaxspeech.text.tokenizer import read_tokenizer
from jaxspeech.text.train import main, train_tokenizer

TEXTS = ["the cat sat on the mat", "a dog ran to the cat", "hello world"] * 5


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_the_largest_vocabulary_is_named_and_works(kind):
    with pytest.raises(TokenizerError, match=r"too large for this text: at most \d+ works") as caught:
        train_tokenizer(TEXTS, type=kind, vocab_size=1000)
    largest = int(str(caught.value).split("at most ")[1].split()[0])
    assert train_tokenizer(TEXTS, type=kind, vocab_size=largest).vocab_size == largest


def test_too_small_and_empty():
    with pytest.raises(TokenizerError, match="characters alone need 16") as caught:
        train_tokenizer(TEXTS, type="bpe", vocab_size=5)
    assert "\n" not in str(caught.value)
    with pytest.raises(TokenizerError, match="no text"):
        train_tokenizer(["", " "], type="char")


def test_the_same_texts_give_the_same_bytes_in_silence(capfd):
    first, second = (train_tokenizer(iter(TEXTS), type="unigram", vocab_size=20).files() for _ in range(2))
    assert first == second
    assert capfd.readouterr() == ("", "")


def test_command(tmp_path, capsys):
    manifests = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    manifests[0].write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    manifests[1].write_text('{"text": "a\u2028zebra"}\n\n', encoding="utf-8")
    flags = [f"--manifest={manifests[0]},{manifests[1]}", "--type=bpe", "--vocab_size=30", f"--output={tmp_path / 't'}"]
    assert main(flags) == 0
    assert "30 tokens from 16 texts" in capsys.readouterr().out
    assert read_tokenizer(tmp_path / "t").decode(read_tokenizer(tmp_path / "t").encode("a zebra")) == "a zebra"
    assert read_tokenizer(tmp_path / "t" / "tokenizer.model").vocab_size == 30

    (tmp_path / "plain.txt").write_text("\n".join(TEXTS))
    assert main([f"--text={tmp_path / 'plain.txt'}", "--type=char", f"--output={tmp_path / 'c'}"]) == 0
    assert read_tokenizer(tmp_path / "c").pieces == (" ", *"acdeghlmnorstw")


@pytest.mark.parametrize(
    "content, message",
    [('{"text": "a"}\n{"txet": 1}\n', "line 2"), ("not json\n", "line 1"), (None, "cannot be read"), ("", "no text")],
)
def test_command_tells_mistakes_in_one_line(tmp_path, capsys, content, message):
    manifest = tmp_path / "a.jsonl"
    if content is not None:
        manifest.write_text(content)
    assert main([f"--manifest={manifest}", f"--output={tmp_path / 'out'}"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ") and message in told and told.count("\n") == 1
    assert not (tmp_path / "out").exists()
