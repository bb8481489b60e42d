"""Splits a text into grapheme clusters: what a reader takes for one character, and what no line may break.

Source: Unicode Standard Annex 29, extended grapheme clusters. Where its tables are not in Python's `unicodedata`, the
rules here join a little more: every spacing mark, every letter after a virama (Indic conjuncts and stacked consonants
of South-East Asia), and Thai's vowels that are written before or after their consonant.
"""

import unicodedata
from functools import lru_cache

ZERO_WIDTH_JOINER, ASAT = "\u200d", "\u103a"
# Vowels written before their consonant, and those after it that never begin a line, with signs of repetition.
_BEFORE = frozenset("เแโใไເແໂໃໄꪵꪶꪹꪻꪼ")
_AFTER = frozenset("ะาำๅๆฯະາຳຽໆຯ\uff9e\uff9f")
# Viramas that do not stack: Thai's phinthu, Lao's, Tamil's, and Myanmar's asat, which ends a syllable.
_UNSTACKED = frozenset("\u0e3a\u0eba\u0bcd" + ASAT)
_PREPENDED = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\u0d4e")


def graphemes(text: str) -> list[str]:
    """The clusters of a text; together they are the text."""
    clusters: list[str] = []
    for place, char in enumerate(text):
        if clusters and _joins(clusters[-1], char, text[place + 1 : place + 2]):
            clusters[-1] += char
        else:
            clusters.append(char)
    return clusters


@lru_cache(1 << 14)  # a text has few different neighbours
def _joins(cluster: str, char: str, following: str) -> bool:
    """Whether a character belongs to the cluster before it; `following` is the character after it."""
    last = cluster[-1]
    if char == "\n" and last == "\r":
        return True
    if _is_control(last) or _is_control(char):
        return False
    if _extends(char) or last in _PREPENDED:
        return True
    if last in _BEFORE:
        return unicodedata.category(char) == "Lo"
    if _is_hangul(char):
        return _joins_hangul(last, char)
    if _is_flag(char):
        return _is_flag(last) and len(cluster) % 2 == 1
    kind = unicodedata.category(char)
    if kind == "Lo":
        ends_syllable = following == ASAT and "\u1000" <= char <= "\u102a" and "\u1000" <= cluster[0] <= "\u102a"
        return ends_syllable or _stacks(cluster)
    return last == ZERO_WIDTH_JOINER and kind == "So"


def _stacks(cluster: str) -> bool:
    """Whether a cluster ends with a virama, joiners apart, below which the next consonant is written."""
    last = cluster.rstrip("\u200c\u200d")[-1:]
    return bool(last) and last not in _UNSTACKED and unicodedata.combining(last) == 9


def _extends(char: str) -> bool:
    return (
        unicodedata.category(char) in ("Mn", "Mc", "Me")
        or char in "\u200c\u200d"
        or char in _AFTER
        or "\U0001f3fb" <= char <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= char <= "\U000e007f"  # tags of flags
    )


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Zl", "Zp")


def _is_flag(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _is_hangul(char: str) -> bool:
    return "\u1100" <= char <= "\u11ff" or "\uac00" <= char <= "\ud7ff" or "\ua960" <= char <= "\ua97f"


def _joins_hangul(last: str, char: str) -> bool:
    """Whether two letters or syllables of Hangul are one syllable: leading consonants, vowels, trailing consonants."""
    leading = "\u1100" <= last <= "\u115f" or "\ua960" <= last <= "\ua97f"
    vowel = "\u1160" <= last <= "\u11a7" or "\ud7b0" <= last <= "\ud7c6"
    trailing = "\u11a8" <= last <= "\u11ff" or "\ud7cb" <= last <= "\ud7fb"
    syllable = "\uac00" <= last <= "\ud7a3"
    open_syllable = syllable and (ord(last) - 0xAC00) % 28 == 0
    if "\u1100" <= char <= "\u115f" or "\ua960" <= char <= "\ua97f" or "\uac00" <= char <= "\ud7a3":
        return leading
    if "\u1160" <= char <= "\u11a7" or "\ud7b0" <= char <= "\ud7c6":
        return leading or vowel or open_syllable
    return vowel or trailing or syllable
