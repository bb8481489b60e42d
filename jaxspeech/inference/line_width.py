"""Measures subtitles: how wide a text is, how much fits on a line, and where it can be divided.

Widths are in columns: a full-width character takes two, any other one. A line has 42 columns, but one with characters
of Chinese, Japanese or Korean has 32, which are 16 of them: the limits of broadcasters.

Sources: Unicode Standard Annex 11 (East Asian width); JIS X 4051 and W3C, "Requirements for Japanese Text Layout", for
the characters that do not begin a line.
"""

import math
import unicodedata
from collections.abc import Sequence
from itertools import accumulate, pairwise

from jaxspeech.search.timestamps import TimedText
from jaxspeech.spacing import Attached
from jaxspeech.text.canonical import compose
from jaxspeech.text.graphemes import graphemes

LINE_COLUMNS, FULL_WIDTH_COLUMNS = 42, 32
# A longer label would leave too little room for words.
LABEL_COLUMNS = 20
# Japanese characters that do not begin a line: small kana, the long vowel and signs of repetition.
NO_LINE_BEGINS_WITH = frozenset(
    "ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶㇰㇱㇲㇳㇴㇵㇶㇷㇸㇹㇺㇻㇼㇽㇾㇿー々〻ゝゞヽヾｧｨｩｪｫｬｭｮｯｰ"
)


def width(text: str) -> int:
    """The columns of a text; canonically equivalent texts have the same width."""
    return len(text) if text.isascii() else sum(1 + _is_wide(char) for char in compose(text))


def is_full_width(text: str) -> bool:
    """Whether a text has letters or marks of full width; pictures (emoji) do not count."""
    return not text.isascii() and any(
        _is_wide(char) and unicodedata.category(char)[0] in "LNP" for char in compose(text)
    )


def line_columns(text: str) -> int:
    """The columns of a line with this text."""
    return FULL_WIDTH_COLUMNS if is_full_width(text) else LINE_COLUMNS


def _is_wide(char: str) -> bool:
    return unicodedata.east_asian_width(char) in ("W", "F")


def label_columns(label: str) -> int:
    """The columns that a label takes at the beginning of a line, with the space after it; a long one is not counted."""
    return min(width(label) + 1, LABEL_COLUMNS) if label else 0


def fit_words(words: Sequence[TimedText]) -> list[TimedText]:
    """The words, with those wider than a line divided between grapheme clusters; their parts share the time.

    A word of an alphabet stays whole: nobody could read its parts.
    """
    return [part for word in words for part in _divide(word)]


def _divide(word: TimedText) -> list[TimedText]:
    whole, limit = width(word.text), line_columns(word.text)
    if whole <= limit or not any(map(_is_wide, word.text)):
        return [word]
    number = math.ceil(whole / limit)
    texts = [""]
    for cluster in graphemes(word.text):
        grown = width(texts[-1] + cluster)
        # Parts of similar width.
        if texts[-1] and (grown > limit or grown > math.ceil(whole / number)):
            texts.append("")
        texts[-1] += cluster
    borders = [at / whole for at in accumulate(map(width, texts), initial=0)]
    times = [word.start + (word.end - word.start) * min(share, 1.0) for share in borders]
    kinds = [type(word.text), *[Attached] * (len(texts) - 1)]
    return [
        word._replace(text=kind(text), start=start, end=end)
        for kind, text, (start, end) in zip(kinds, texts, pairwise(times), strict=True)
    ]


class Ruler:
    """The widths of stretches of words, each in constant time.

    Args:
      words: in order.
    """

    def __init__(self, words: Sequence[TimedText]):
        self._begins: list[int] = []
        self._ends: list[int] = []
        at = 0
        for word in words:
            at += bool(self._ends) and not isinstance(word.text, Attached)
            self._begins.append(at)
            at += width(word.text)
            self._ends.append(at)
        full = [is_full_width(word.text) for word in words]
        self._full = [0, *accumulate(full)]

    def columns(self, begin: int, end: int) -> int:
        """The width of words begin to end - 1, including the spaces between them."""
        return self._ends[end - 1] - self._begins[begin] if end > begin else 0

    def limit(self, begin: int, end: int) -> int:
        """The columns of a line with these words."""
        return FULL_WIDTH_COLUMNS if self._full[end] > self._full[begin] else LINE_COLUMNS

    def fits(self, begin: int, end: int, *, before: int = 0) -> bool:
        """Whether these words fit on a line, after a label of so many columns."""
        return before + self.columns(begin, end) <= self.limit(begin, end)
