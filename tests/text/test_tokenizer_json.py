"""What the settings of Transformers change in a tokenizer.json; see also test_byte_pair."""

import json

import pytest

from jaxspeech.text.byte_pair import BytePairTokenizer
from tests.text.byte_pairs import SPECIAL, content

PIECES = ["<unk>", "▁", "a", "▁a", "<|im_end|>"]


def marked(**settings) -> BytePairTokenizer:
    """A tokenizer of Llama's kind, in whose own file each part between special tokens gets a space."""
    model = {"type": "BPE", "vocab": {p: i for i, p in enumerate(PIECES)}, "merges": [["▁", "a"]], "unk_token": "<unk>"}
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    normalizer = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, replace]}
    back = {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}
    parts: dict = {"model": model, "normalizer": normalizer, "pre_tokenizer": None, "decoder": back}
    added = json.loads(content(SPECIAL))["added_tokens"]
    parts["added_tokens"] = [{**added[2], "id": 4}]
    return BytePairTokenizer(content(**parts), json.dumps(settings).encode())


@pytest.mark.parametrize(
    ("settings", "ids", "text"),
    [
        ({}, [3, 4, 3], " a a"),
        ({"tokenizer_class": "PreTrainedTokenizerFast", "legacy": False}, [3, 4, 3], " a a"),
        ({"tokenizer_class": "LlamaTokenizerFast"}, [3, 4, 2], "aa"),
        ({"tokenizer_class": "LlamaTokenizer", "legacy": True, "add_prefix_space": None}, [3, 4, 3], "a a"),
        ({"tokenizer_class": "LlamaTokenizer", "add_prefix_space": False}, [2, 4, 2], "aa"),
    ],
)
def test_llama_tokenizers_have_the_rules_of_their_class(settings, ids, text) -> None:
    """Of Transformers 5; the file's own rules would put other spaces after special tokens."""
    tokenizer = marked(**settings)
    assert tokenizer.encode("a<|im_end|>a") == ids and tokenizer.decode(ids) == text


def test_byte_level_rules_stay_whatever_the_class() -> None:
    named = BytePairTokenizer(content(), b'{"tokenizer_class": "LlamaTokenizer"}')
    assert named.encode("hello <|im_end|>a") == BytePairTokenizer(content()).encode("hello <|im_end|>a")


def test_settings_make_tokens_special_and_add_those_that_are_missing() -> None:
    plain = json.loads(content(SPECIAL))["added_tokens"]
    added = [*plain[:2], {**plain[2], "special": False}]
    settings = {"additional_special_tokens": ["hello", "<new>"], "extra_special_tokens": {"sound": "<sound>"}}
    settings |= {"eos_token": "<|im_end|>", "tokenizer_class": "Qwen2Tokenizer"}
    tokenizer = BytePairTokenizer(content(added_tokens=added), json.dumps(settings).encode())
    assert tokenizer.encode("hello<new><sound>") == [259, 266, 267] and tokenizer.vocab_size == 268
    # One that the file adds as text stays text.
    assert tokenizer.decode([259, 265, 266]) == "<|im_end|>"
