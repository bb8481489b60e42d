"""Turns tokens into text while they come: whole characters as soon as they are complete.

The bytes of a character may be spread over several tokens, and a token's text may depend on the token before it (a
space that a first word does not have). So the text of the newest tokens is what they add to that of their predecessors.
"""

from typing import Any

# What decoders write for the bytes of an incomplete character.
INCOMPLETE = "\ufffd"


class TextStream:
    """Decodes one token after another.

    The texts of all calls of `push` and of `finish`, joined, are `tokenizer.decode` of all tokens.

    Args:
      tokenizer: has `decode`.

    Attributes:
      pending: whether the tokens so far end within a character.
    """

    def __init__(self, tokenizer: Any):
        self._decode = tokenizer.decode
        self.pending: bool = False
        # The last tokens that gave text, and those after them, which have not.
        self._before: list[int] = []
        self._new: list[int] = []

    def push(self, token: int) -> str:
        """Returns the text that this token completes; "" while a character is incomplete."""
        self._new.append(int(token))
        text = self._added()
        self.pending = text.endswith(INCOMPLETE)
        if not text or self.pending:
            return ""
        self._before, self._new = self._new, []
        return text

    def finish(self) -> str:
        """Returns what is left at the end: an incomplete character as U+FFFD."""
        text = self._added()
        self._before, self._new, self.pending = [], [], False
        return text

    def _added(self) -> str:
        return self._decode(self._before + self._new)[len(self._decode(self._before)) :]
