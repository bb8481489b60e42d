"""A tokenizer by longest match in a list of pieces (WordPiece: Schuster and Nakajima, 2012; Devlin et al., 2019)."""

import unicodedata
from collections.abc import Iterator
from typing import Any

from jaxspeech.errors import TokenizerError
from jaxspeech.text.canonical import form_to_encode
from jaxspeech.text.spoken_in import Language
from jaxspeech.text.unknown import Unknown

VOCAB_FILE = "vocab.txt"
INSIDE = "##"  # prefix of a piece that continues a word
CLOSING = frozenset(".,?!")  # pieces that follow a word without a space
UNKNOWN = "[UNK]"
SPECIAL = frozenset({"[PAD]", "[CLS]", "[SEP]", "[MASK]", UNKNOWN})
LONGEST_WORD = 100


class WordPieceTokenizer:
    """Splits words into the pieces of a vocabulary; a word that cannot be split becomes the unknown token.

    Args:
      vocab: the content of a `vocab.txt` in UTF-8, with one piece per line.
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
            raise TokenizerError(f"a WordPiece vocabulary must have one distinct piece per line, and {UNKNOWN}")

    @classmethod
    def build(cls, *, files: dict[str, bytes]) -> "WordPieceTokenizer":
        """Rebuild the tokenizer from its `files()`."""
        if VOCAB_FILE not in files:
            raise TokenizerError(f"a WordPiece tokenizer needs its file {VOCAB_FILE}; found {sorted(files)}")
        return cls(files[VOCAB_FILE])

    def encode(self, text: str, language: Language = None) -> list[int]:
        return self._encode(self._form(text))

    def _form(self, text: str) -> str:
        return form_to_encode(text, lambda form: self._encode(form).count(self._ids[UNKNOWN]))

    def _encode(self, text: str) -> list[int]:
        return [i for word in split_words(text) for i in self._encode_word(word)]

    def find_unknown(self, text: str, language: Language = None) -> Unknown:
        tokens = unknown = characters = lost = 0
        missing = ""
        for word in split_words(self._form(text)):
            ids = self._encode_word(word)
            tokens += len(ids)
            characters += len(word)
            if ids == [self._ids[UNKNOWN]]:
                unknown += 1
                lost += len(word)
                # Where each character is known by itself, it is their combination that is not.
                strange = [c for c in word if c not in self._ids and INSIDE + c not in self._ids]
                missing += "".join(strange) or word
        return Unknown(tokens, unknown, characters, lost, missing)

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
    """Split at white space; every punctuation mark and Chinese character is a separate word."""
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
    """Whether Unicode classifies a character as punctuation, or it is a printable ASCII symbol."""
    return unicodedata.category(char).startswith("P") or (char.isascii() and char.isprintable() and not char.isalnum())


def is_ideograph(char: str) -> bool:
    """Whether a character is in a Unicode block of CJK ideographs, which are written without spaces."""
    code = ord(char)
    return any(low <= code <= high for low, high in ((0x3400, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2FA1F)))
