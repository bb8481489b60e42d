"""Encodes text for files and for stdout, whatever is in it: no text is lost because of a character.

Python's strings may hold halves of characters ("surrogates"), which no encoding has: bytes of a file name that are not
UTF-8, and what tools leave that cut texts by UTF-16 units.
"""

import codecs
import io
import json
import re
import sys
from typing import Any

_HALF = re.compile("[\ud800-\udfff]")
# The halves by which Python represents bytes of file names: U+DC80 to U+DCFF.
_FIRST_BYTE, _LAST_BYTE = 0xDC80, 0xDCFF
HANDLER = "jaxspeech.replace"


def to_bytes(text: str) -> bytes:
    """Encodes text in UTF-8; bytes of file names become what they were, other halves of characters U+FFFD."""
    return text.encode("utf-8", errors=HANDLER)


def to_json(value: Any) -> str:
    """Formats a value as JSON in one line; halves of characters are escaped, so that a parser returns them unchanged.

    Raises:
      TypeError or ValueError: JSON cannot represent the value.
    """
    return _HALF.sub(lambda half: f"\\u{ord(half[0]):04x}", json.dumps(value, ensure_ascii=False))


def half_a_character(text: str) -> str:
    """Describes the first half of a character in a text, which is not Unicode text then; "" if it has none."""
    found = _HALF.search(text)
    return f"half of a character, \\u{ord(found[0]):04x}, at position {found.start()}" if found else ""


def let_stdout_take_any_text() -> None:
    """Makes stdout UTF-8, and never fail because of a character.

    A terminal keeps its encoding, as it could not show another one; what that lacks is replaced.
    """
    stdout = sys.stdout
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(encoding=stdout.encoding if stdout.isatty() else "utf-8", errors=HANDLER)


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character, end = ord(error.object[error.start]), error.start + 1
    if error.encoding.lower().startswith(("utf-16", "utf-32")):
        return "?", end
    if _FIRST_BYTE <= character <= _LAST_BYTE:
        return bytes([character - 0xDC00]), end
    return b"\xef\xbf\xbd" if error.encoding == "utf-8" else "?", end


codecs.register_error(HANDLER, _replaced)
