"""Makes texts that Unicode calls equivalent one text, and removes characters that nobody sees or hears.

Canonically equivalent texts (é as one character, or as e and an accent) are the same text everywhere: in tokenizers and
in scores. Compatibility forms (…, ½, full-width letters, ligatures) are the same text in scores only, as the
normalisation of most SentencePiece models (NFKC) replaces them; a character tokenizer keeps them.

The zero-width non-joiner and joiner are letters: Persian and Indic words are misspelled without them.

Sources: Unicode Standard Annex 15 (NFC, NFKC), and the property Default_Ignorable_Code_Point.
"""

import re
import unicodedata
from collections.abc import Callable

ZERO_WIDTH_NON_JOINER = "\u200c"

# Soft hyphen, combining grapheme joiner, marks of direction, Khmer's inherent vowels, zero-width spaces, invisible
# operators, variation selectors, the byte order mark, annotations; and control characters that are not white space.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u17b4\u17b5\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff0-\ufffb"
    "\U000e0100-\U000e01ef\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]"
)
# All of these, and what is invisible without neighbours: joiners, Hangul fillers, Mongolian and other selectors, tags.
_EMPTY = re.compile(
    rf"(?:{_INVISIBLE.pattern}|\s|[\u115f\u1160\u180b-\u180f\u200c\u200d\u3164\uffa0\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff])*"
)


def compose(text: str) -> str:
    """The text in Unicode's composed form, NFC."""
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def visible(text: str) -> str:
    """The text without invisible characters; the zero-width joiner and non-joiner stay."""
    return _INVISIBLE.sub("", text)


def is_blank(text: str) -> bool:
    """Whether a text has only white space and zero-width characters, which are no words."""
    return _EMPTY.fullmatch(text) is not None


def comparable(text: str) -> str:
    """The form in which scores compare texts: NFKC, visible characters, a single space between words."""
    text = unicodedata.normalize("NFKC", visible(text))
    return " ".join(word for word in text.split() if not is_blank(word))


def form_to_encode(text: str, count_unknown: Callable[[str], int]) -> str:
    """The composed text, or the text as it is where a tokenizer knows more of that.

    The latter happens with pieces that were made from decomposed texts, for example of the letters of Hangul.

    Args:
      text: any text.
      count_unknown: counts the tokens of a text that stand for characters which the tokenizer does not have.
    """
    composed = compose(text)
    return text if composed == text else min(composed, text, key=count_unknown)
