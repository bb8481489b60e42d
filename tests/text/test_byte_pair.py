"""Tokenizers in a tokenizer.json: ids, texts, special tokens, folders of Transformers, damaged and hostile files."""

import json
import pickle
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxspeech.assets import build_asset
from jaxspeech.errors import TokenizerError
from jaxspeech.text.byte_pair import MOST_BYTES, BytePairTokenizer, read_byte_pair
from jaxspeech.text.incremental_decoder import IncrementalDecoder
from jaxspeech.text.tokenizer import Tokenizer, read_tokenizer, write_tokenizer
from tests.text.byte_pairs import SPECIAL, byte_letters, content, tokenizer

TOKENIZER = tokenizer()
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30).filter(
    lambda text: not any(token in text for token in SPECIAL)
)
MODEL = {"type": "BPE", "vocab": {}, "merges": []}
IDS = st.lists(st.integers(0, TOKENIZER.vocab_size - 1), max_size=20)


def test_merges_are_applied_to_bytes() -> None:
    letters = byte_letters()
    assert TOKENIZER.pieces[:256] == tuple(letters) and isinstance(TOKENIZER, Tokenizer)
    assert [TOKENIZER.pieces[i] for i in TOKENIZER.encode("hello hello ü")] == ["hello", "Ġhello", "Ġ", "Ã¼"]
    assert TOKENIZER.encode("€") == [*"€".encode()]


def test_special_tokens_are_found_in_texts_and_left_out_of_them() -> None:
    ends = TOKENIZER.id_of("<|im_end|>")
    ids = TOKENIZER.encode("<|im_start|>hello<|im_end|>")
    assert ids == [TOKENIZER.id_of("<|im_start|>"), *TOKENIZER.encode("hello"), ends]
    assert TOKENIZER.decode(np.array(ids)) == "hello" and TOKENIZER.id_of("<|no|>") is None
    assert (TOKENIZER.end_id, TOKENIZER.end_ids, TOKENIZER.pad_id) == (ends, (ends,), TOKENIZER.id_of(SPECIAL[0]))
    assert TOKENIZER.begin_id is None and TOKENIZER.unknown_id is None and TOKENIZER.vocab_size == ends + 1


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_decoding_inverts_encoding(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@settings(max_examples=100, deadline=None)
@given(st.one_of(IDS, TEXTS))
def test_tokens_that_come_one_by_one_give_the_same_text(given_: list[int] | str) -> None:
    """Random ids are bytes that are no text; they, and cut characters, end as U+FFFD."""
    ids = TOKENIZER.encode(given_) if isinstance(given_, str) else given_
    stream = IncrementalDecoder(TOKENIZER)
    texts = [stream.push(i) for i in ids]
    assert not any(text.endswith("\ufffd") for text in texts)
    assert "".join(texts) + stream.finish() == TOKENIZER.decode(ids)
    assert [word for word, _, _ in TOKENIZER.word_spans(ids)] == TOKENIZER.decode(ids).split()


def test_a_character_appears_with_its_last_byte_and_belongs_to_all_of_them() -> None:
    ids = [*TOKENIZER.encode("<|im_start|>😀"), *TOKENIZER.encode(" hello")]
    assert len(ids) == 5
    stream = IncrementalDecoder(TOKENIZER)
    assert [(stream.push(i), stream.pending) for i in ids] == [
        ("", ""),
        ("", "\ufffd"),
        ("", "\ufffd"),
        ("😀", ""),
        (" hello", ""),
    ]
    assert TOKENIZER.word_spans(ids) == [("😀", 1, 4), ("hello", 4, 5)]


def test_parts_around_a_recording_are_encoded_as_around_a_special_token() -> None:
    """SentencePiece's rule of Llama: only the start of a text gets a space, not what is after a special token."""
    pieces = ["<unk>", "▁", "a", "▁a", "<|im_end|>"]
    kind = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True}
    model = {"type": "BPE", "vocab": {p: i for i, p in enumerate(pieces)}, "merges": [["▁", "a"]], "unk_token": "<unk>"}
    added = json.loads(content(("<|im_end|>",)))["added_tokens"]
    marked = BytePairTokenizer(
        content(added_tokens=[{**added[0], "id": 4}], pre_tokenizer=kind, decoder=kind, model=model)
    )
    assert marked.encode("a<|im_end|>a") == [3, 4, 2]
    assert marked.encode_around(["a", "a", "", " a"]) == [[3], [2], [], [3]]
    assert TOKENIZER.encode_around(["hello", " hello"]) == [TOKENIZER.encode("hello"), TOKENIZER.encode(" hello")]
    stream = IncrementalDecoder(marked)
    assert [stream.push(i) for i in (3, 4, 3, 2, 3)] == ["a", "", " a", "a", " a"]


def test_the_tokenizer_is_rebuilt_from_its_files(tmp_path) -> None:
    first = BytePairTokenizer(content(), b'{"eos_token": {"content": "<|im_end|>"}}', end_ids=[256, 265])
    write_tokenizer(tmp_path / "written", first)
    rebuilt = build_asset("tokenizer", first.config(), first.files())
    for second in (rebuilt, read_tokenizer(tmp_path / "written"), pickle.loads(pickle.dumps(first))):
        assert second.config() == first.config() and second.files() == first.files()
        assert second.end_ids == first.end_ids == (265, 256) and second.encode("hello<|im_end|>") == [259, 265]


def test_a_folder_of_transformers_says_which_tokens_end_and_pad(tmp_path) -> None:
    with pytest.raises(TokenizerError, match=r"has no tokenizer\.json"):
        read_byte_pair(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes(content())
    assert read_tokenizer(tmp_path).end_ids == ()
    added = {"266": {"content": "<tool>", "special": False}, "264": {"content": "<|im_start|>", "special": True}}
    named = {"eos_token": {"content": "<|im_end|>", "lstrip": False}, "bos_token": None, "added_tokens_decoder": added}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(named))
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"eos_token": "hello", "pad_token": "<|im_start|>"}))
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [265, 263]}))
    for path in (tmp_path, tmp_path / "tokenizer.json"):
        found = read_tokenizer(path)
        assert isinstance(found, BytePairTokenizer)
        assert (found.end_ids, found.pad_id, found.begin_id, found.vocab_size) == ((265, 263), 264, None, 267)
        assert found.encode("a<tool>") == [found.id_of("a"), 266] and found.decode([266]) == "<tool>"
    assert found.folder_files()["tokenizer.json"] == content()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"tokenizer.json": b""}, r"tokenizer\.json is damaged, or none that tokenizers"),
        ({"tokenizer.json": b"\xff\xfe"}, r"tokenizer\.json is damaged"),
        ({"tokenizer.json": b'{"model":' * 100_000}, r"tokenizer\.json is damaged"),
        ({"tokenizer.json": content((), (), model=MODEL | {"vocab": {"a": 1 << 31}})}, "2147483649 tokens"),
        ({"tokenizer.json": content((), (), model=MODEL)}, "has 0 tokens"),
        ({"tokenizer_config.json": b"[" * 100_000}, r"tokenizer_config\.json is not JSON"),
        ({"tokenizer_config.json": b"[]"}, r"tokenizer_config\.json is not a dict"),
        ({"tokenizer_config.json": b'{"eos_token": "<no>"}'}, r"names the token '<no>', which its tokenizer\.json"),
        ({"tokenizer_config.json": b'{"eos_token": 7}'}, "special token 7, which is no text"),
        ({"tokenizer_config.json": b'{"additional_special_tokens": 7}'}, "is damaged: special tokens"),
        ({"tokenizer_config.json": b'{"added_tokens_decoder": {"x": 1}}'}, "is damaged: special tokens"),
        ({"tokenizer_config.json": b'{"added_tokens_decoder": {"9": {"content": "<tool>"}}}'}, "a different id: 9"),
        ({"generation_config.json": b'{"eos_token_id": "7"}'}, "they must be numbers from 0"),
    ],
    ids=lambda value: "files" if isinstance(value, dict) else None,
)
def test_a_damaged_folder_is_one_line(tmp_path, files, message) -> None:
    for name, data in ({"tokenizer.json": content()} | files).items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(TokenizerError, match=message) as caught:
        read_byte_pair(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}: ") and "\n" not in str(caught.value)


def test_files_that_are_too_large_are_not_read(tmp_path) -> None:
    with open(tmp_path / "tokenizer.json", "wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(TokenizerError, match="is larger than 134217728 bytes"):
        read_byte_pair(tmp_path)


def test_without_the_library_the_line_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(TokenizerError, match=r'pip install "jaxspeech\[speechlm\]"'):
        tokenizer()


def test_text_that_cannot_be_encoded_is_one_line() -> None:
    with pytest.raises(TokenizerError, match=r"half of a character, \\ud800, at position 1"):
        TOKENIZER.encode("a\ud800")


def test_rules_that_give_up_at_a_text_are_one_line(capfd) -> None:
    """The library panics, with a trace on stderr, which is no `Exception` in Python."""
    split = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}
    slow = BytePairTokenizer(content(pre_tokenizer=split))
    with pytest.raises(TokenizerError, match=r"the rules of its tokenizer\.json fail at this text \(Onig"):
        slow.encode("a" * 30 + "!")
    assert "panicked" in capfd.readouterr().err
