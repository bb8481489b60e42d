"""A small tokenizer.json: a token for each byte, a few merges, and special tokens."""

import json

from jaxspeech.text.byte_pair import BytePairTokenizer

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MERGES = (("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o"), ("Ġ", "hello"), ("Ã", "¼"), ("ð", "Ł"))


def byte_letters() -> list[str]:
    """The letter that byte-level BPE writes for each byte."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte if byte in printable else 256 + others.index(byte)) for byte in range(256)]


def content(special=SPECIAL, merges=MERGES, **changed) -> bytes:
    pieces = [*byte_letters(), *("".join(pair) for pair in merges)]
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    found = {
        "version": "1.0",
        "added_tokens": [{"id": len(pieces) + i, "content": token, **plain} for i, token in enumerate(special)],
        "pre_tokenizer": byte_level,
        "decoder": byte_level,
        "model": {"type": "BPE", "vocab": {p: i for i, p in enumerate(pieces)}, "merges": [*map(list, merges)]},
    }
    return json.dumps(found | changed).encode()


def tokenizer(special=SPECIAL, end="<|im_end|>", pad="<|endoftext|>") -> BytePairTokenizer:
    return BytePairTokenizer(content(special), json.dumps({"eos_token": end, "pad_token": pad}).encode())
