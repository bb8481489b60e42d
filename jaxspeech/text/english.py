"""Pronounces English in ARPABET: CMUdict, the sense of heteronyms by the words beside them, eSpeak NG for the rest.

"The FBI's cats read on."  -> DH AH0 | EH1 F B IY1 AY1 Z | K AE1 T S | R IY1 D | AA1 N | .
1. overrides and the dictionary, where a word has several pronunciations by context
2. the word without -'s or -s, whose sound the last phoneme decides; the parts of a word with hyphens
3. abbreviations letter by letter
4. eSpeak NG
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from jaxspeech.errors import TokenizerError
from jaxspeech.text.arpabet import arpabet_of_ipa, letter_by_letter
from jaxspeech.text.espeak import phonemes_alone
from jaxspeech.text.heteronyms import in_context
from jaxspeech.text.lexicon import Lexicon, Pronunciation
from jaxspeech.text.parts import LEXICON, Part, plain_letters

_ACCENT = "en-us"
_PIECES = re.compile(
    r"(?P<bars>\|[^|]*\|)|(?P<word>(?:[A-Za-z]\.){2,}(?:'s)?|[^\W\d_]+(?:['\-][^\W\d_]+)*'?)|(?P<other>.)", re.DOTALL
)
_SIBILANTS = frozenset(["S", "Z", "SH", "ZH", "CH", "JH"])
_VOICELESS = frozenset(["P", "T", "K", "F", "TH"])
# Abbreviations of titles that a text may hold, as LJ Speech's do, where it is not normalised.
_SHORT = {"mr": "mister", "mrs": "missus", "ms": "miz", "dr": "doctor", "st": "saint", "n'": "and"}


class EnglishPhonemes:
    """Pronounces English words.

    What stands between bars is passed on: "I |R EH1 D| it".
    """

    def __init__(self, lexicon: Lexicon, *, unknown: str = "espeak"):
        """Takes the dictionary.

        Args:
          lexicon: words in small letters, pronunciations in ARPABET with stress; see `lexicon.cmudict`.
          unknown: how a word is pronounced that the dictionary lacks: "espeak", or by the names of its "letters".

        Raises:
          TokenizerError: `unknown` is none of these.
        """
        if unknown not in ("espeak", "letters"):
            raise TokenizerError(f'unknown {unknown!r} of pronunciations is none of "espeak" and "letters"')
        self.lexicon, self._unknown = lexicon, unknown

    def parts(self, text: str) -> list[Part]:
        """Returns the words and the characters between them."""
        text = plain_letters(text)
        pieces = list(_PIECES.finditer(text))
        parts: list[Part] = []
        after, sound = "", ""
        # From the end, as "the" depends on the sound of the next word.
        for place in reversed(range(len(pieces))):
            piece = pieces[place]
            if piece["word"] and piece[0] == "A" and place + 1 < len(pieces) and pieces[place + 1][0] == ".":
                after, sound = "a", "EY1"  # an initial
                parts.append(Part("A", ("EY1",), True))
            elif piece["word"]:
                symbols = self._word(piece[0], before=_word_before(pieces, place), after=after, next_sound=sound)
                after, sound = piece[0].lower(), symbols[0] if symbols else ""
                parts.append(Part(piece[0], symbols or tuple(piece[0]), True))
            elif piece["bars"]:
                parts.append(Part(piece[0], tuple(piece[0][1:-1].split()), True))
                after, sound = "", ""
            else:
                symbols = self._between(piece[0])
                parts.append(Part(piece[0], symbols, len(symbols) > 1))  # emoji are words
                after, sound = (after, sound) if piece[0].isspace() else ("", "")
        return parts[::-1]

    def _between(self, char: str) -> tuple[str, ...]:
        """A mark stands for itself; eSpeak names signs and emoji."""
        if char.isspace():
            return (" ",)
        if self._unknown == "espeak" and unicodedata.category(char) in ("So", "Sk"):
            return arpabet_of_ipa(phonemes_alone(char, _ACCENT)) or (char,)
        return (char,)

    def _word(self, written: str, *, before: str, after: str, next_sound: str) -> Pronunciation:
        word = written.lower()
        word = _SHORT.get(word, word)
        prons = self.lexicon.get(word)
        if prons:
            return in_context(word, prons, before=before, after=after, next_sound=next_sound)
        if "." in word:
            return _with_ending(letter_by_letter(word.removesuffix("'s")), added=word.endswith("'s"))
        for ending in ("'s", "s'", "'", "s"):
            stem = word.removesuffix(ending)
            found = self.lexicon.get(stem) if stem and stem != word else None
            if found:
                base = in_context(stem, found, before=before, after=after)
                return _with_ending(base, added=ending != "'")
        if written.rstrip("'s").isupper() and 1 < len(written.rstrip("'s")) < 6:
            return _with_ending(letter_by_letter(written.removesuffix("'s")), added=written.endswith("'s"))
        if "-" in word:
            kinds = {"before": "", "after": "", "next_sound": ""}
            return tuple(symbol for part in written.split("-") for symbol in self._word(part, **kinds))
        if self._unknown == "espeak":
            return arpabet_of_ipa(phonemes_alone(written, _ACCENT))
        return letter_by_letter(word)

    def config(self) -> dict[str, Any]:
        """Returns its settings."""
        return {"type": "english", "unknown": self._unknown}

    def files(self) -> dict[str, bytes]:
        """Returns the dictionary."""
        return {LEXICON: self.lexicon.to_bytes()}

    @classmethod
    def build(cls, config: Mapping[str, Any], files: Mapping[str, bytes]) -> "EnglishPhonemes":
        """Makes it from its config and files."""
        return cls(Lexicon.from_bytes(files[LEXICON]), **config)


def _word_before(pieces: list[re.Match[str]], place: int) -> str:
    """The word before, in small letters, unless a mark stands between."""
    while place > 0 and pieces[place - 1][0].isspace():
        place -= 1
    return pieces[place - 1][0].lower() if place > 0 and pieces[place - 1]["word"] else ""


def _with_ending(pron: Pronunciation, *, added: bool) -> Pronunciation:
    """A pronunciation with the -s of a plural or a genitive."""
    if not added or not pron:
        return pron
    if pron[-1] in _SIBILANTS:
        return (*pron, "IH0", "Z")
    return (*pron, "S" if pron[-1] in _VOICELESS else "Z")
