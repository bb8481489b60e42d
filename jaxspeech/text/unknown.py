"""Counts what a tokenizer does not know of texts: a tokenizer of another casing or script knows next to nothing."""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxspeech.errors import TokenizerError
from jaxspeech.text.spoken_in import Language

LISTED = 8


class Unknown(NamedTuple):
    """What a tokenizer does not know of one text.

    Attributes:
      tokens: number of tokens that spell something: a word mark alone does not count.
      unknown: how many of them are unknown, or are left out.
      characters: number of characters, without spaces.
      lost: how many of them no known token spells.
      missing: characters that the tokenizer does not have, each as often as it occurs.
    """

    tokens: int
    unknown: int
    characters: int
    lost: int
    missing: str


@runtime_checkable
class FindsUnknown(Protocol):
    """A tokenizer that can say what it does not know."""

    def find_unknown(self, text: str, language: Language = None) -> Unknown:
        """Count what is unknown in a text; raises TokenizerError if there is no tokenizer for the language."""
        ...


class UnknownShare(NamedTuple):
    """What a tokenizer does not know of many texts.

    Attributes:
      texts: number of texts.
      texts_with: how many of them have something unknown.
      tokens, unknown, characters, lost: sums of those of `Unknown`.
      missing: how often each character that the tokenizer does not have occurs.
    """

    texts: int
    texts_with: int
    tokens: int
    unknown: int
    characters: int
    lost: int
    missing: Counter[str]

    @property
    def most(self) -> float:
        """The larger of two shares, of the tokens and of the characters: an unknown token may spell a whole word."""
        return max(self.unknown / max(self.tokens, 1), self.lost / max(self.characters, 1))

    def __str__(self) -> str:
        common = ", ".join(f"{_name(char)} {_times(count)}" for char, count in self.missing.most_common(LISTED))
        more = f" and {len(self.missing) - LISTED} more" if len(self.missing) > LISTED else ""
        return (
            f"{_percent(self.unknown, self.tokens)} of the tokens and {_percent(self.lost, self.characters)} of the "
            f"characters are unknown to the tokenizer, in {self.texts_with} of {self.texts} texts; the commonest such "
            f"characters: {common}{more}"
        )


def count_unknown(tokenizer: Any, texts: Iterable[tuple[str, Language]]) -> UnknownShare | None:
    """Count what a tokenizer does not know of (text, language) pairs; None if it cannot say.

    Texts in a language that the tokenizer does not have, or that are no valid Unicode, are left out.
    """
    if not isinstance(tokenizer, FindsUnknown):
        return None
    number = having = tokens = unknown = characters = lost = 0
    missing: Counter[str] = Counter()
    for text, language in texts:
        try:
            found = tokenizer.find_unknown(" ".join(text.split()), language)
        except TokenizerError:
            continue
        number += 1
        having += found.unknown > 0
        tokens += found.tokens
        unknown += found.unknown
        characters += found.characters
        lost += found.lost
        missing.update(found.missing)
    return UnknownShare(number, having, tokens, unknown, characters, lost, missing)


def _name(char: str) -> str:
    if unicodedata.category(char).startswith("M"):  # a mark needs a circle to be seen
        return f"'\u25cc{char}' (U+{ord(char):04X})"
    return f"'{char}'" if char.isprintable() and not char.isspace() else f"U+{ord(char):04X}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _percent(part: int, whole: int) -> str:
    share = part / max(whole, 1)
    return f"{share:.1%}" if share >= 0.001 or not part else "less than 0.1%"
