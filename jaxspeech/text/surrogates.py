"""Finds halves of UTF-16 surrogate pairs, which tools leave in texts that they cut by UTF-16 units."""

import re

from jaxspeech.errors import TokenizerError

_HALF = re.compile("[\ud800-\udfff]")


def half_a_pair(text: str) -> str:
    """Describe the first half of a surrogate pair in a text, which no file can hold; "" if it has none."""
    found = _HALF.search(text)
    return f"it has half of a character, \\u{ord(found[0]):04x}, at position {found.start()}" if found else ""


def check_unicode(text: str) -> None:
    """Raise TokenizerError if a text holds half of a surrogate pair."""
    if half := half_a_pair(text):
        raise TokenizerError(f"the text cannot be encoded: {half}")
