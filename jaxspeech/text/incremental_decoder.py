"""Turns tokens into text while they come: whole characters as soon as they are complete.

The bytes of a character may be spread over several tokens, and a token's text may depend on the token before it (a
space that a first word does not have). So the text of the newest tokens is what they add to that of their predecessors.
"""

from collections.abc import Iterable, Sequence
from typing import Any

# What decoders write for the bytes of an incomplete character.
INCOMPLETE = "\ufffd"


class IncrementalDecoder:
    """Decodes one token after another.

    The texts of all calls of `push` and of `finish`, joined, are `tokenizer.decode` of all tokens.

    Args:
      tokenizer: has `decode`.

    Attributes:
      pending: the text so far where the tokens end within a character, which is U+FFFD at its end; else "".
    """

    def __init__(self, tokenizer: Any):
        self._decode = tokenizer.decode
        self.pending: str = ""
        # The last tokens that gave text, and those after them, which have not.
        self._before: list[int] = []
        self._new: list[int] = []

    def push(self, token: int) -> str:
        """Returns the text that this token completes; "" while a character is incomplete."""
        self._new.append(int(token))
        text = self._added()
        self.pending = text if text.endswith(INCOMPLETE) else ""
        if not text or self.pending:
            return ""
        self._before, self._new = self._new, []
        return text

    def finish(self) -> str:
        """Returns what is left at the end: an incomplete character as U+FFFD."""
        text = self._added()
        self._before, self._new, self.pending = [], [], ""
        return text

    def _added(self) -> str:
        return self._decode(self._before + self._new)[len(self._decode(self._before)) :]


def spell(tokenizer: Any, ids: Iterable[int]) -> list[tuple[str, int, int]]:
    """Returns the characters of a text with the tokens that spell each: (character, first token, after the last)."""
    found: list[tuple[str, int, int]] = []
    stream, texts, count = IncrementalDecoder(tokenizer), [""], 0
    for count, i in enumerate(ids, 1):
        text = stream.push(i)
        texts.append(text or stream.pending)
        if not stream.pending:
            found += _spans(texts, count)
            texts = [""]
    return found + _spans([*texts, stream.finish()], count + 1)


def _spans(texts: Sequence[str], after: int) -> list[tuple[str, int, int]]:
    """The characters of the last of some texts, each of which has one token more than the text before it."""
    first, whole = after - len(texts) + 1, texts[-1]
    found = []
    for place, char in enumerate(whole):
        begun = next(k for k, text in enumerate(texts) if len(text) > place)
        changed = [k for k, text in enumerate(texts) if text[: place + 1] != whole[: place + 1]]
        found.append((char, first + begun - 1, first + max(changed) + 1))
    return found
