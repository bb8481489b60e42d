"""jaxspeech tokenizer as a user runs it."""

import json

import pytest

from jaxspeech.cli.main import main
from jaxspeech.text.tokenizer import read_tokenizer
from tests.text.test_train import TEXTS


def test_command(tmp_path, capsys):
    manifests = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    manifests[0].write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    manifests[1].write_text('{"text": "a\u2028zebra"}\n\n', encoding="utf-8")
    flags = [f"--manifest={manifests[0]},{manifests[1]}", "--type=bpe", "--vocab_size=30", f"--output={tmp_path / 't'}"]
    assert main(["tokenizer", *flags]) == 0
    assert "30 tokens from 16 texts" in capsys.readouterr().out
    assert read_tokenizer(tmp_path / "t").decode(read_tokenizer(tmp_path / "t").encode("a zebra")) == "a zebra"
    assert read_tokenizer(tmp_path / "t" / "tokenizer.model").vocab_size == 30

    (tmp_path / "plain.txt").write_text("\n".join(TEXTS))
    assert main(["tokenizer", f"--text={tmp_path / 'plain.txt'}", "--type=char", f"--output={tmp_path / 'c'}"]) == 0
    assert read_tokenizer(tmp_path / "c").pieces == (" ", *"acdeghlmnorstw")


@pytest.mark.parametrize("kind", ["bpe", "char"])
def test_a_text_that_no_tokenizer_can_hold_is_one_line_and_counted(tmp_path, capsys, kind):
    texts = [*TEXTS[:2], "half of a smile \ud83d", *TEXTS[2:]]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    flags = [f"--manifest={tmp_path / 'a.jsonl'}", f"--type={kind}", "--vocab_size=30", f"--output={tmp_path / 't'}"]
    assert main(["tokenizer", *flags]) == 0
    printed = capsys.readouterr()
    assert f"from {len(TEXTS)} texts, 1 left out: " in printed.out
    assert printed.err == f"left out {tmp_path}/a.jsonl:3: it has half of a character, \\ud83d, at position 16\n"


@pytest.mark.parametrize(
    "content, message",
    [('{"text": "a"}\n{"txet": 1}\n', "line 2"), ("not json\n", "line 1"), (None, "cannot be read"), ("", "no text")],
)
def test_a_mistake_is_one_line(tmp_path, capsys, content, message):
    manifest = tmp_path / "a.jsonl"
    if content is not None:
        manifest.write_text(content)
    assert main(["tokenizer", f"--manifest={manifest}", f"--output={tmp_path / 'out'}"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("jaxspeech tokenizer: ") and message in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_bad_byte_is_the_fault_of_one_line(tmp_path, capsys):
    lines = [json.dumps({"text": text}).encode() for text in TEXTS]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([*lines[:2], b'{"text": "caf\xe9"}', *lines[2:]]) + b"\n")
    assert main(["tokenizer", f"--manifest={tmp_path / 'a.jsonl'}", "--type=char", f"--output={tmp_path / 't'}"]) == 0
    said = capsys.readouterr()
    assert f"left out {tmp_path / 'a.jsonl'}:3: not UTF-8" in said.err
    assert f"from {len(TEXTS)} texts, 1 left out" in said.out


def test_a_tokenizer_for_each_language(tmp_path, capsys):
    for language, part in (("en", TEXTS[:8]), ("eo", TEXTS[8:])):
        lines = [json.dumps({"text": text, "lang": language}) + "\n" for text in part]
        (tmp_path / f"{language}.jsonl").write_text("".join(lines))
    given = f"--manifest={tmp_path / 'en.jsonl'},{tmp_path / 'eo.jsonl'}"
    flags = [given, "--languages=eo,en", "--vocab_size=24", f"--output={tmp_path / 't'}"]
    assert main(["tokenizer", *flags]) == 0
    assert f"bpe tokenizer of eo, en with 48 tokens from {len(TEXTS)} texts: " in capsys.readouterr().out
    tokenizer = read_tokenizer(tmp_path / "t")
    assert [tokenizer.language_of(i) for i in (0, 23, 24, 47)] == ["eo", "eo", "en", "en"]
    (tmp_path / "plain.txt").write_text("\n".join(TEXTS))
    assert main(["tokenizer", *flags, f"--text={tmp_path / 'plain.txt'}"]) == 2
    assert main(["tokenizer", given, "--languages=en", f"--output={tmp_path / 't'}"]) == 2
    assert "none of en" in capsys.readouterr().err
