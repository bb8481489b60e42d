"""Joins words to a text, with a space between two of them only where one was written."""

from collections.abc import Iterable


class Attached(str):
    """A word that follows the word before it without a space, as in scripts that are written without spaces."""

    __slots__ = ()


def space_before(word: str) -> str:
    """The space between a word and the one before it: "" for an attached word."""
    return "" if isinstance(word, Attached) else " "


def join(words: Iterable[str]) -> str:
    """The text of these words."""
    return "".join(space_before(word) * bool(place) + word for place, word in enumerate(words))
