"""Splits text into words, also in scripts that are written without spaces.

There a word is one character (a grapheme cluster): Chinese, Japanese, Thai, Lao, Khmer, Burmese and their relatives. A
run of letters or digits of other scripts is one word. A mark belongs to the word before it, an opening bracket, quote
or currency sign to the word after it. Tibetan and Ethiopic are divided after their marks between words.

Texts of all other scripts have the words between their white space.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal

from jaxspeech.punctuation import SENTENCE_ENDS
from jaxspeech.spacing import Attached
from jaxspeech.text.canonical import is_blank
from jaxspeech.text.graphemes import graphemes
from jaxspeech.text.sentencepiece import WORD_MARK
from jaxspeech.text.tokenizer import Tokenizer

# Scripts without spaces: South-East Asia, then East Asia.
_LETTERS = (
    "\u0e01-\u0e5b\u0e81-\u0eff\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f\u1780-\u17b3\u17d7\u17dc\u1950-\u19df\u1a20-\u1aad"
    "\ua980-\ua9df\u1b05-\u1b4c\uaa80-\uaadf\U00011700-\U00011746"
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c\u3041-\u3096\u309b-\u309f\u30a1-\u30fa\u30fc-\u312f"
    "\u31a0-\u31ff\u3200-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua48c\uf900-\ufaff\uff66-\uff9d\U00016fe0-\U00016fe4"
    "\U00017000-\U00018cff\U0001aff0-\U0001b2ff\U00020000-\U0003fffd"
)
# Marks after which a word begins without a space: Tibetan's, Ethiopic's, full-width ones, full stops beyond ASCII.
_DIVIDERS = "\u0f0b-\u0f14\u1361-\u1368\u3001-\u3003\u30fb\uff01\uff0c\uff0e\uff1a\uff1b\uff1f\uff61\uff64\uff65" + (
    "".join(re.escape(mark) for mark in SENTENCE_ENDS if not mark.isascii())
)
_BRACKETS = "\u3008\u300a\u300c\u300e\u3010\u3014\u3016\u3018\u301a\u301d\ufe59\ufe5b\ufe5d\uff08\uff3b\uff5b"
_UNSPACED = re.compile(f"[{_LETTERS}{_DIVIDERS}{_BRACKETS}]")
_DIVIDER = re.compile(f"[{_DIVIDERS}]")
_LETTER = re.compile(f"[{_LETTERS}]")

# A token is divided in this many parts; a power of two, so that places are exact wherever they are counted from.
PARTS = 1 << 16
# A word, its first token, and the token after its last.
WordSpan = tuple[str, int | float, int | float]
Kind = Literal["letter", "run", "bracket", "opening", "divider", "mark"]


def words(text: str) -> Iterator[str]:
    """Yields the words of a text; those that follow the word before them without a space are `Attached`."""
    for word in text.split():
        if not is_blank(word):
            yield from split_word(word)


def split_word(word: str) -> list[str]:
    """The words of a text without white space; together they are the text."""
    if not _UNSPACED.search(word):
        return [word]
    parts: list[str] = []
    before: Kind | None = None  # of the last cluster
    spoken: Kind | None = None  # of the last cluster that is a letter or a run, in the last word
    for cluster in graphemes(word):
        kind = _kind(cluster)
        if not parts:
            parts.append(cluster)
        elif _begins_word(kind, before, spoken):
            parts.append(Attached(cluster))
            spoken = None
        else:
            parts[-1] = type(parts[-1])(parts[-1] + cluster)
        before, spoken = kind, kind if kind in ("letter", "run") else spoken
    return parts


def is_unspaced(text: str) -> bool:
    """Whether a text has letters of a script without spaces."""
    return _LETTER.search(text) is not None


def _begins_word(kind: Kind, before: Kind | None, spoken: Kind | None) -> bool:
    """Whether a cluster begins a word.

    Args:
      kind: of the cluster.
      before: of the cluster before it.
      spoken: of the last letter or run in the word so far; None if it has only marks.
    """
    if spoken is None or kind in ("mark", "divider") or before in ("opening", "bracket"):
        return False
    return kind in ("letter", "bracket") or before == "divider" or spoken == "letter"


@lru_cache(1 << 14)
def _kind(cluster: str) -> Kind:
    """What a cluster is: a letter that is a word, a part of a run, a full-width bracket, or a mark."""
    char = cluster[0]
    category = unicodedata.category(char)
    if category == "Nd":
        return "run"
    if _DIVIDER.match(char):
        return "divider"
    if _LETTER.match(char) and category[0] in "LNSM":
        return "letter"
    if category[0] in "LNM":
        return "run"
    if char in _BRACKETS:
        return "bracket"
    return "opening" if category in ("Ps", "Pi", "Sc") or char in "#@" else "mark"


def token_words(tokenizer: Tokenizer, ids: Sequence[int]) -> list[WordSpan]:
    """The words of a sequence of tokens, and where each begins and ends among them.

    Args:
      tokenizer: of the ids.
      ids: the tokens.

    Returns:
      (word, first token, token after the last) of each word. Where a token holds several words the places are
      fractions: 3.5 is the middle of token 3.
    """
    found: list[WordSpan] = []
    for word, first, stop in tokenizer.word_spans(ids):
        if not is_blank(word):
            parts = split_word(word)
            pieces = [tokenizer.pieces[i] for i in ids[first:stop]] if len(parts) > 1 else []
            found += divide(parts, pieces, first=first) if len(parts) > 1 else [(word, first, stop)]
    return found


def divide(parts: Sequence[str], pieces: Sequence[str], *, first: int = 0) -> list[WordSpan]:
    """The place of each part of a text among the tokens that spell the text.

    Args:
      parts: together they are the text.
      pieces: the spelling of each token.
      first: the number of the first token.
    """
    places = [first + place for place in _places("".join(parts), [piece.replace(WORD_MARK, "") for piece in pieces])]
    found, at = [], 0
    for part in parts:
        found.append((part, places[at], places[at + len(part)]))
        at += len(part)
    return found


def _places(text: str, pieces: Sequence[str]) -> list[float]:
    """The place of each border between two characters, in tokens.

    Pieces that are not in the text as they are spelled (bytes of a character) share the characters that are left.
    """
    places = [0.0] * (len(text) + 1)

    def share(begin: int, end: int, first: int, stop: int) -> None:
        for k in range(1, end - begin + 1):
            places[begin + k] = first + round((stop - first) * PARTS * k / (end - begin)) / PARTS

    at = waiting = 0
    for token, piece in enumerate(pieces):
        found = text.find(piece, at, at + waiting + len(piece)) if piece else -1
        if found < 0:
            waiting += 1
            continue
        share(at, found, token - waiting, token)
        share(found, found + len(piece), token, token + 1)
        at, waiting = found + len(piece), 0
    share(at, len(text), len(pieces) - waiting, len(pieces))
    places[-1] = float(len(pieces))
    return places
