"""A tokenizer with one token for each character of an alphabet."""

from collections.abc import Sequence
from typing import Any

from jaxspeech.errors import TokenizerError
from jaxspeech.text.unknown import Unknown

SPACE = " "


class CharTokenizer:
    """Maps each character to its position in `characters`.

    Args:
      characters: the alphabet; the space, if it is included, separates words.
      unknown: how `encode` treats a character outside the alphabet: "error" raises a TokenizerError that names it,
        "drop" leaves it out.
    """

    def __init__(self, characters: Sequence[str], *, unknown: str = "error"):
        self.pieces = tuple(characters)
        self.vocab_size = len(self.pieces)
        self._unknown: str = unknown
        self._ids = {piece: i for i, piece in enumerate(self.pieces)}
        if not self.pieces or len(self._ids) != self.vocab_size:
            raise TokenizerError(f"characters must be distinct and not empty, got {''.join(self.pieces)!r}")
        if unknown not in ("error", "drop"):
            raise TokenizerError(f"unknown={unknown!r}: use 'error' or 'drop'")

    @classmethod
    def build(cls, *, files: dict[str, bytes], characters: Sequence[str], **options: Any) -> "CharTokenizer":
        """Rebuild the tokenizer from its `config()`; it has no files."""
        return cls(characters, **options)

    def encode(self, text: str, language: str | None = None) -> list[int]:
        if self._unknown == "drop":
            return [self._ids[char] for char in text if char in self._ids]
        try:
            return [self._ids[char] for char in text]
        except KeyError as error:
            raise TokenizerError(
                f"character {error.args[0]!r} in {_shorten(text)!r} is not in the alphabet {''.join(self.pieces)!r}; "
                "add it, normalise the text, or set unknown='drop'"
            ) from None

    def find_unknown(self, text: str, language: str | None = None) -> Unknown:
        spelled = [char for char in text if char != SPACE or SPACE not in self._ids]
        missing = "".join(char for char in spelled if char not in self._ids)
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


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
