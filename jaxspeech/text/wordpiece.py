"""Pieces of words by the longest match in a list (WordPiece: Schuster and Nakajima, 2012; Devlin et al., 2019)."""

import unicodedata
from collections.abc import Iterator
from typing import Any

from jaxspeech.errors import TokenizerError

VOCAB_FILE = "vocab.txt"
INSIDE = "##"  # begins a piece that goes on with a word
CLOSING = frozenset(".,?!")  # pieces that are written without a space before them
UNKNOWN = "[UNK]"
SPECIAL = frozenset({"[PAD]", "[CLS]", "[SEP]", "[MASK]", UNKNOWN})
LONGEST_WORD = 100


class WordPieceTokenizer:
    """A `vocab.txt`, a piece on each line; a word that no pieces make up is the unknown token.

    Args:
      vocab: the content of the file, in UTF-8.
    """

    def __init__(self, vocab: bytes):
        self._vocab = vocab
        try:
            self.pieces = tuple(line.rstrip("\r") for line in vocab.decode().removesuffix("\n").split("\n"))
        except UnicodeDecodeError as error:
            raise TokenizerError("this WordPiece vocabulary is not UTF-8 text") from error
        self.vocab_size = len(self.pieces)
        self._ids = {piece: i for i, piece in enumerate(self.pieces)}
        if len(self._ids) != self.vocab_size or UNKNOWN not in self._ids:
            raise TokenizerError(f"a WordPiece vocabulary has a piece on each line, all different, and {UNKNOWN}")

    @classmethod
    def build(cls, *, files: dict[str, bytes]) -> "WordPieceTokenizer":
        """From `files()`."""
        if VOCAB_FILE not in files:
            raise TokenizerError(f"a WordPiece tokenizer needs its file {VOCAB_FILE}; found {sorted(files)}")
        return cls(files[VOCAB_FILE])

    def encode(self, text: str, language: str | None = None) -> list[int]:
        return [i for word in split_words(text) for i in self._encode_word(word)]

    def _encode_word(self, word: str) -> list[int]:
        unknown = [self._ids[UNKNOWN]]
        ids: list[int] = []
        start = 0
        while start < len(word) <= LONGEST_WORD:
            prefix = INSIDE if start else ""
            ends = (end for end in range(len(word), start, -1) if prefix + word[start:end] in self._ids)
            end = next(ends, None)
            if end is None:
                return unknown
            ids.append(self._ids[prefix + word[start:end]])
            start = end
        return ids or unknown

    def decode(self, ids: Any) -> str:
        return " ".join(word for word, _, _ in self.word_spans(ids))

    def word_spans(self, ids: Any) -> list[tuple[str, int, int]]:
        spans: list[tuple[str, int, int]] = []
        for place, i in enumerate(ids):
            piece = self.pieces[i]
            if piece in SPECIAL:
                continue
            if spans and (piece.startswith(INSIDE) or piece in CLOSING):
                word, first, _ = spans[-1]
                spans[-1] = word + piece.removeprefix(INSIDE), first, place + 1
            else:
                spans.append((piece, place, place + 1))
        return spans

    def config(self) -> dict[str, Any]:
        return {"type": "wordpiece"}

    def files(self) -> dict[str, bytes]:
        return {VOCAB_FILE: self._vocab}


def split_words(text: str) -> Iterator[str]:
    """At white space, and around every punctuation mark and Chinese character, which are words of their own."""
    word = ""
    for char in text:
        alone = not char.isspace() and (is_punctuation(char) or is_ideograph(char))
        if char.isspace() or alone:
            if word:
                yield word
            word = ""
            if alone:
                yield char
        elif unicodedata.category(char) not in ("Cc", "Cf") and char != "\ufffd":
            word += char
    if word:
        yield word


def is_punctuation(char: str) -> bool:
    """Unicode's punctuation, and all of ASCII that is printed and neither a letter nor a digit."""
    return unicodedata.category(char).startswith("P") or (char.isascii() and char.isprintable() and not char.isalnum())


def is_ideograph(char: str) -> bool:
    """A character of the blocks of Chinese ones (CJK), in which words have no spaces between them."""
    code = ord(char)
    return any(low <= code <= high for low, high in ((0x3400, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2FA1F)))
