"""Finds which token each word of an ARPA file stands for.

| kind     | the word of a token is                                                                         |
|----------|------------------------------------------------------------------------------------------------|
| offset   | one character, that of the token's number + 100, as NeMo writes them                           |
| pieces   | its spelling in the tokenizer; "|", "<space>" or "▁" for the space of a tokenizer of characters; |
|          | <token_7> for one that cannot be written, such as a tokenizer's own <unk>                       |
| ids      | its number                                                                                     |
| words    | itself: the model is over words, not over the tokens of a recogniser                           |
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from jaxspeech.errors import LanguageModelError
from jaxspeech.ngrams.model import SPECIAL

OFFSET = 100  # of NeMo's tokens (DEFAULT_TOKEN_OFFSET)
KINDS = ("offset", "pieces", "ids", "words")
SPACES = ("|", "<space>", "▁", "\u2420")


def tokens_of(words: Sequence[str], kind: str, pieces: Sequence[str], vocab_size: int) -> Int[np.ndarray, " W"]:
    """Returns the token of each word; see `model.SPECIAL` for <s>, </s> and <unk>.

    Raises:
      LanguageModelError: a word is no token.
    """
    of_word = _OF_WORD[kind](pieces) if kind != "words" else _numbered(words)
    # Also where they are pieces, as <unk> is of every SentencePiece model: in a file they are what they always are.
    found = [SPECIAL[w.lower()] if w.lower() in SPECIAL else of_word(w) for w in words]
    for word, token in zip(words, found, strict=True):
        if token is None or token >= vocab_size:
            raise LanguageModelError(f"its word {word!r} is none of the {vocab_size} tokens ({kind})")
    return np.array(found, np.int64)


def guess_kind(words: Sequence[str], pieces: Sequence[str], vocab_size: int) -> str:
    """Returns what the words of a file are for a tokenizer.

    Raises:
      LanguageModelError: they can be characters of NeMo's as well as pieces.
    """
    plain = [word for word in words if word.lower() not in SPECIAL]
    kinds = []
    for kind in ("offset", "pieces", "ids"):
        of_word = _OF_WORD[kind](pieces)
        if plain and all((token := of_word(word)) is not None and token < vocab_size for word in plain):
            kinds.append(kind)
    if len(kinds) > 1:
        raise LanguageModelError(f"its words can be {' or '.join(kinds)}: say which with words=")
    return kinds[0] if kinds else "words"


def _from_offset(pieces: Sequence[str]) -> Callable[[str], int | None]:
    del pieces
    return lambda word: ord(word) - OFFSET if len(word) == 1 and ord(word) >= OFFSET else None


def _from_pieces(pieces: Sequence[str]) -> Callable[[str], int | None]:
    ids: dict[str, int] = {piece: i for i, piece in reversed(list(enumerate(pieces)))}
    if " " in ids:
        for word in SPACES:
            ids.setdefault(word, ids[" "])
    for i, piece in enumerate(pieces):
        if not _can_be_written(piece):
            ids[_numbered_word(i)] = i
    return ids.get


def _from_ids(pieces: Sequence[str]) -> Callable[[str], int | None]:
    del pieces
    return lambda word: int(word) if word.isascii() and word.isdecimal() else None


def _numbered(words: Sequence[str]) -> Callable[[str], int | None]:
    plain = [word for word in words if word.lower() not in SPECIAL]
    return {word: i for i, word in enumerate(plain)}.get


_OF_WORD: dict[str, Any] = {"offset": _from_offset, "pieces": _from_pieces, "ids": _from_ids}


def speller(kind: str, pieces: Sequence[str]) -> Callable[[int], str]:
    """Returns the function that spells a token in an ARPA file.

    Raises:
      LanguageModelError: the model does not have the pieces.
    """
    if kind == "offset":
        return lambda token: chr(token + OFFSET)
    if kind == "ids":
        return str
    if not pieces:
        raise LanguageModelError("the spelling of its tokens is not known: write offset or ids, or give the tokenizer")

    def spell(token: int) -> str:
        piece = "|" if pieces[token] == " " and "|" not in pieces else pieces[token]
        return piece if _can_be_written(piece) else _numbered_word(token)

    return spell


def _can_be_written(piece: str) -> bool:
    """Whether a piece is a word of its own in an ARPA file: not one of the marks, and without what separates words."""
    return bool(piece) and piece.lower() not in SPECIAL and not set(piece) & set(" \t\r\n")


def _numbered_word(token: int) -> str:
    return f"<token_{token}>"
