"""A tokenizer with one token for each character of an alphabet."""

import unicodedata
from collections.abc import Sequence
from typing import Any

from jaxspeech.errors import TokenizerError
from jaxspeech.text.canonical import compose, visible
from jaxspeech.text.spoken_in import Language
from jaxspeech.text.unknown import Unknown

SPACE = " "


class CharTokenizer:
    """Maps each character to its position in `characters`.

    Texts are composed (NFC) first. A character that the alphabet has only in a different, canonically equivalent form
    (as a letter and an accent) is encoded in that form. Invisible characters that it does not have are left out, and
    white space that it does not have is a space.

    Args:
      characters: the alphabet; the space, if it is included, separates words.
      unknown: how `encode` treats a character outside the alphabet: "error" raises a TokenizerError that names it,
        "drop" leaves it out.
    """

    def __init__(self, characters: Sequence[str], *, unknown: str = "error"):
        self.pieces = tuple(characters)
        self.vocab_size = len(self.pieces)
        self._unknown: str = unknown
        self._ids: dict[str, int] = {piece: i for i, piece in enumerate(self.pieces)}
        if not self.pieces or len(self._ids) != self.vocab_size:
            raise TokenizerError(f"characters must be distinct and not empty, got {''.join(self.pieces)!r}")
        if unknown not in ("error", "drop"):
            raise TokenizerError(f"unknown={unknown!r}: use 'error' or 'drop'")
        for piece, i in list(self._ids.items()):
            self._ids.setdefault(compose(piece), i)

    @classmethod
    def build(cls, *, files: dict[str, bytes], characters: Sequence[str], **options: Any) -> "CharTokenizer":
        """Rebuild the tokenizer from its `config()`; it has no files."""
        return cls(characters, **options)

    def encode(self, text: str, language: Language = None) -> list[int]:
        text = compose(text)
        try:
            return [self._ids[char] for char in text]
        except KeyError:
            return [i for char in text for i in self._spell(char, text)]

    def _spell(self, char: str, text: str) -> list[int]:
        """The tokens of a character, none if it is left out."""
        ids = self._tokens(char)
        if ids is None and self._unknown != "drop":
            raise TokenizerError(
                f"character {char!r} in {_shorten(text)!r} is not in the alphabet {''.join(self.pieces)!r}; "
                "add it, normalise the text, or set unknown='drop'"
            )
        return ids or []

    def _tokens(self, char: str) -> list[int] | None:
        """The tokens of a character: its own, those of its canonical parts, or none; None if it is unknown."""
        if char in self._ids:
            return [self._ids[char]]
        # One step, so that an alphabet may have a letter with one of its two accents; Hangul has no such steps.
        parts = unicodedata.decomposition(char)
        for form in ("" if parts.startswith("<") else _characters(parts), unicodedata.normalize("NFD", char)):
            if form and all(part in self._ids for part in form):
                return [self._ids[part] for part in form]
        if not visible(char):
            return []
        # With unknown="drop", other white space has always been left out.
        return [self._ids[SPACE]] if char.isspace() and SPACE in self._ids and self._unknown != "drop" else None

    def find_unknown(self, text: str, language: Language = None) -> Unknown:
        spelled = [char for char in compose(text) if visible(char) and (char != SPACE or SPACE not in self._ids)]
        missing = "".join(char for char in spelled if self._tokens(char) is None)
        return Unknown(len(spelled), len(missing), len(spelled), len(missing), missing)

    def decode(self, ids: Any) -> str:
        return "".join(self.pieces[i] for i in ids)

    def word_spans(self, ids: Any) -> list[tuple[str, int, int]]:
        spans, word, first = [], "", 0
        pieces = [self.pieces[i] for i in ids]
        for place, piece in enumerate([*pieces, SPACE]):
            if piece != SPACE:
                word += piece
                continue
            if word:
                spans.append((word, first, place))
            word, first = "", place + 1
        return spans

    def config(self) -> dict[str, Any]:
        return {"type": "char", "characters": list(self.pieces), "unknown": self._unknown}

    def files(self) -> dict[str, bytes]:
        return {}


def _characters(codes: str) -> str:
    return "".join(chr(int(code, 16)) for code in codes.split())


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
