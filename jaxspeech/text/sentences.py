"""Splits a text into sentences, and long sentences at commas, for a voice that speaks one after the other.

A sentence ends with a mark of its end and white space, or with a blank line. It does not end after an abbreviation or
an initial ("Dr. J. Smith"), nor before a small letter.
"""

import re

from jaxspeech.punctuation import SENTENCE_ENDS, ends_clause

# What something must follow: a name, or a number.
_TITLES = "mr mrs ms dr prof rev hon st gen col maj capt lt sgt cmdr adm gov sen rep pres messrs mme mlle m mt ft cf vs"
_BEFORE_NAMES = frozenset([*_TITLES.split(" "), "e.g", "i.e", "viz", "ca", "ed", "eds"])
_NUMBERED = "no nos vol vols fig figs sec pp p jan feb mar apr jun jul aug sep sept oct nov dec"
_BEFORE_NUMBERS = frozenset(_NUMBERED.split(" "))
_INITIALS = re.compile(r"(?:[A-Z]\.)+[A-Z]")
_MARKS = re.escape(SENTENCE_ENDS)
_CLOSING = "\"'”’»›)\\]}"
# Scripts that write no space after the mark end there.
_END = re.compile(f"[{_MARKS}…]+[{_CLOSING}]*(?=\\s|$)|[。！？｡]+[{_CLOSING}」』）]*|\\n\\s*\\n")


def split_sentences(text: str, *, longest: int = 0) -> list[str]:
    """Returns the sentences of a text in order, without the white space around them, and none that is empty.

    Args:
      text: any.
      longest: the most characters of a sentence; a longer one is split after commas and similar marks, then at spaces,
        and a longer word as it comes. 0: no limit.
    """
    sentences, start = [], 0
    for found in _END.finditer(text):
        if _is_end(text, start, found):
            sentences.append(text[start : found.end()])
            start = found.end()
    sentences = [" ".join(sentence.split()) for sentence in [*sentences, text[start:]]]
    sentences = [sentence for sentence in sentences if sentence]
    return [part for sentence in sentences for part in _short(sentence, longest)] if longest else sentences


def _is_end(text: str, start: int, found: re.Match[str]) -> bool:
    mark = found[0].strip()
    if not mark.startswith("."):
        return True
    word = text[start : found.start()].rsplit(maxsplit=1)[-1:]
    word = word[0].lstrip("([{\"'“‘") if word else ""
    following = text[found.end() :].lstrip()[:1]
    if following.islower():
        return False
    if mark != "." or not following:
        return True
    # "1. Do this" and "the U.S. Army" continue; "at 3 p.m. We" does not.
    if text[start : found.start()].strip().isdigit() or _INITIALS.fullmatch(word):
        return False
    initial = len(word) == 1 and word.isupper() and word != "I"
    if initial or word.lower() in _BEFORE_NAMES:
        return False
    return not (following.isdigit() and word.lower() in _BEFORE_NUMBERS)


def _short(sentence: str, longest: int) -> list[str]:
    parts: list[str] = []
    while len(sentence) > longest:
        spaces = [place for place, char in enumerate(sentence[: longest + 1]) if char == " " and place]
        clauses = [place for place in spaces if ends_clause(sentence[:place]) and place > longest // 4]
        place = (clauses or spaces or [longest])[-1]
        parts.append(sentence[:place].strip())
        sentence = sentence[place:].strip()
    return [*parts, *[sentence][: bool(sentence)]]
