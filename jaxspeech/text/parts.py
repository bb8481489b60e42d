"""Parts of a text with the symbols that stand for them, and the interface of what makes them."""

import unicodedata
from typing import Any, NamedTuple, Protocol, runtime_checkable

# The dictionary among the files of pronunciations.
LEXICON = "lexicon.txt.gz"
_ASCII = {"’": "'", "”": '"', "“": '"'}


class Part(NamedTuple):
    """A part of a text.

    Attributes:
      text: as it is written.
      symbols: that stand for it.
      is_word: whether it is a word, rather than space, punctuation or digits between words.
    """

    text: str
    symbols: tuple[str, ...]
    is_word: bool


@runtime_checkable
class Pronunciations(Protocol):
    """Turns text into symbols."""

    def parts(self, text: str) -> list[Part]:
        """Returns the parts of a text, in order."""
        ...

    def config(self) -> dict[str, Any]:
        """Returns its settings; "type" says which kind it is."""
        ...

    def files(self) -> dict[str, bytes]:
        """Returns its files by name."""
        ...


def plain_letters(text: str) -> str:
    """Returns a text without accents, with straight quotes: "Café’s" -> "Cafe's"."""
    text = "".join(char for char in unicodedata.normalize("NFD", text) if unicodedata.category(char) != "Mn")
    return "".join(_ASCII.get(char, char) for char in text)


def composed_letters(text: str) -> str:
    """Returns a text in its composed form (NFC), with straight apostrophes."""
    return unicodedata.normalize("NFC", text).replace("’", "'")
