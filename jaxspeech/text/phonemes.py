"""Turns text into symbols: letters, or the phonemes of a dictionary, part by part: a word, or what is between.

    Letters                   "Hi, you" -> h i | , | space | y o u
    LexiconPhonemes           "Hi, you" -> HH AY1 | , | space | Y UW1

Source: NeMo's tokenizers and tts/g2p/models, with whose default options the symbols are the same.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jaxspeech.errors import TokenizerError
from jaxspeech.text.lexicon import Lexicon, Pronunciation
from jaxspeech.text.parts import LEXICON, Part, composed_letters, plain_letters
from jaxspeech.text.symbol_sets import STRESS

HETERONYMS = "heteronyms.txt"
_LATIN, _ACCENTED = "A-Za-z", "À-ÖØ-öø-ÿ"
_INDIC = "\u0900-\u0963\u0966-\u097f\u0980-\u09ff\u0a80-\u0aff\u0b80-\u0bff\u0c00-\u0cff"
_KOREAN = "\uac00-\ud7a3\u1100-\u11ff\u3130-\u318f"
_ANY = f"{_LATIN}{_ACCENTED}{_INDIC}{_KOREAN}"


def _prepared(text: str, *, accents: bool, case: str) -> str:
    text = composed_letters(text) if accents else plain_letters(text)
    return {"lower": str.lower, "upper": str.upper, "mixed": str}[case](text)


class Letters:
    """Takes the letters for symbols."""

    # A word has apostrophes and hyphens only between its letters.
    _WORDS = re.compile(r"((?:[^\W_]|[\u0300-\u036f])+(?:['\-](?:[^\W_]|[\u0300-\u036f])+)*)|(.)", re.DOTALL)

    def __init__(self, *, accents: bool = False, case: str = "lower"):
        """Takes the options.

        Args:
          accents: whether é stays é; otherwise it is e.
          case: "lower", "upper" or "mixed" (as written).
        """
        if case not in ("lower", "upper", "mixed"):
            raise TokenizerError(f'case {case!r} is unknown; use "lower", "upper" or "mixed"')
        self._options: dict[str, Any] = {"accents": bool(accents), "case": case}

    def parts(self, text: str) -> list[Part]:
        """Returns the words and the characters between them."""
        text = _prepared(text, **self._options)
        return [
            Part(found[0], tuple(" " if char.isspace() else char for char in found[0]), found[1] is not None)
            for found in self._WORDS.finditer(text)
        ]

    def config(self) -> dict[str, Any]:
        """Returns its settings."""
        return {"type": "letters", **self._options}

    def files(self) -> dict[str, bytes]:
        """Returns no file."""
        return {}

    @classmethod
    def build(cls, config: Mapping[str, Any], files: Mapping[str, bytes]) -> "Letters":
        """Makes it from its config."""
        return cls(**config)


class LexiconPhonemes:
    """Looks words up in a dictionary.

    A word with several pronunciations, one of `heteronyms`, and an unknown one are spelt in letters, as in NeMo, unless
    an option says otherwise. What stands between bars is passed on: "I |R EH1 D| it". An unknown word with hyphens is
    looked up in parts, and one in -s or -'s without its ending.
    """

    def __init__(
        self,
        lexicon: Lexicon,
        *,
        alphabet: str = "arpabet",
        heteronyms: Iterable[str] = (),
        ambiguous: str = "letters",
        case: str | None = None,
        letter_prefix: str = "",
        stress: bool = True,
        accents: bool = False,
        endings: str = "spelling",
    ):
        """Takes the dictionary and the options.

        Args:
          lexicon: its words in `case`.
          alphabet: of its symbols, "arpabet" or "ipa".
          heteronyms: words that sound differently by their sense, and are spelt in letters.
          ambiguous: what becomes of a word with several pronunciations: "letters", or its "first" one.
          case: of words and letters: "lower", "upper" or "mixed"; None is "lower" in ARPABET and "upper" in IPA.
          letter_prefix: before each letter of a word that is spelt, to tell it from a phoneme.
          stress: whether IPA keeps ˈ and ˌ.
          accents: whether words have accents, in a language other than English.
          endings: how the added -s sounds: "spelling" is NeMo's rule (always Z in ARPABET; in IPA s after t, ɪz after
            s, else z), "sound" is English phonology (S after voiceless consonants, IH0 Z after sibilants, else Z).

        Raises:
          TokenizerError: an option is unknown.
        """
        case = case or ("lower" if alphabet == "arpabet" else "upper")
        allowed = {
            "alphabet": (alphabet, ("arpabet", "ipa")),
            "ambiguous": (ambiguous, ("letters", "first")),
            "case": (case, ("lower", "upper", "mixed")),
            "endings": (endings, ("spelling", "sound")),
        }
        for name, (value, known) in allowed.items():
            if value not in known:
                raise TokenizerError(f"{name} {value!r} of pronunciations is unknown; use one of {', '.join(known)}")
        self.heteronyms = tuple(heteronyms)
        self._options: dict[str, Any] = {name: value for name, (value, _) in allowed.items()}
        self._options |= {"letter_prefix": letter_prefix, "stress": bool(stress), "accents": bool(accents)}
        self._alphabet, self._ambiguous, self._case = alphabet, ambiguous, case
        self._prefix, self._accents, self._endings = letter_prefix, bool(accents), endings
        self._cased: Callable[[str], str] = {"lower": str.lower, "upper": str.upper, "mixed": str}[case]
        self._spelt = {self._cased(word) for word in self.heteronyms}
        self.lexicon = self._in_case(lexicon, keep_stress=bool(stress) or alphabet == "arpabet")
        self._written: dict[str, str] = {}
        if case == "mixed" and alphabet == "ipa":
            for word in self.lexicon:
                self._written |= {word: word} if word.isupper() else {word: word, word.upper(): word}
        letter = _ANY if accents else _LATIN
        self._pieces = re.compile(rf"([{letter}]+(?:[{letter}\-']*[{letter}]+)*)|(\|[^|]*\|)|([^{letter}|]+)")
        self._sounds = re.compile(rf"[{_ANY}\d]" if alphabet == "ipa" else rf"[{_LATIN}{_ACCENTED}\d]")

    @property
    def symbols(self) -> set[str]:
        """The symbols of all pronunciations, for `symbol_sets.ipa`."""
        return self.lexicon.symbols

    @property
    def letters(self) -> set[str]:
        """The letters of the dictionary's words, each with `letter_prefix`."""
        return {f"{self._prefix}{char}" for word in self.lexicon for char in word if re.match(rf"[{_ANY}\d]", char)}

    def parts(self, text: str) -> list[Part]:
        """Returns the words and what is between them."""
        text = _prepared(text, accents=self._accents, case="mixed")
        parts = []
        for word, between_bars, other in self._pieces.findall(text):
            if between_bars:
                prefix = self._prefix if self._alphabet == "ipa" else ""
                symbols = tuple(f"{prefix}{symbol}" for symbol in between_bars[1:-1].split(" "))
                parts.append(Part(between_bars, symbols, True))
            else:
                chunk = word.lower() if word and not self._accents else word or other
                parts.append(Part(word or other, tuple(self._pronounced(chunk)), bool(word)))
        return parts

    def _pronounced(self, word: str) -> Iterable[str]:
        found = self._found(word)
        if found is not None:
            return found
        if "-" not in word:
            return self._letters(word)
        parts = [self._found(part) or self._letters(part) for part in word.split("-")]
        return [symbol for number, part in enumerate(parts) for symbol in ("-" if number else "", *part) if symbol]

    def _found(self, word: str) -> Iterable[str] | None:
        """The symbols of one word, None if it is unknown."""
        word = self._cased(word)
        if not self._sounds.search(word):
            return list(word)
        if word in self._spelt:
            return self._letters(word)
        unknown = not self._entries(word) and not self._entries(word.upper())
        if unknown and not self._accents:
            for ending in ("'s", "s"):
                stem = word[: -len(ending)]
                pron = self._only(stem) if stem and word.lower().endswith(ending) else None
                if pron is not None:
                    return (*pron, *self._added(stem, pron, possessive=ending == "'s"))
        return self._only(word)

    def _only(self, word: str) -> Pronunciation | None:
        """A word's pronunciation, None if it has none or too many."""
        prons = self._entries(word) or (self._entries(word.upper()) if self._case == "mixed" else ())
        return prons[0] if prons and (self._ambiguous == "first" or len(prons) == 1) else None

    def _entries(self, word: str) -> tuple[Pronunciation, ...]:
        """A word's pronunciations; with mixed case, "HELLO" has those of "Hello"."""
        return self.lexicon.get(self._written.get(word, word), ())

    def _added(self, stem: str, pron: Pronunciation, *, possessive: bool) -> tuple[str, ...]:
        """The sound of an added -s."""
        ipa = self._alphabet == "ipa"
        if self._endings == "sound":
            last = pron[-1].rstrip("ː") if pron else ""
            if last in ("S", "Z", "SH", "ZH", "CH", "JH", "s", "z", "ʃ", "ʒ"):
                return ("ɪ", "z") if ipa else ("IH0", "Z")
            voiceless = last in ("P", "T", "K", "F", "TH", *"ptkfθ")
            sound = "s" if voiceless else "z"
            return (sound if ipa else sound.upper(),)
        if not ipa:
            return ("Z",)
        if stem[-1] in "Tt":
            return ("s",)
        return ("ɪ", "z") if possessive and stem[-1] in "Ss" else ("z",)

    def _letters(self, word: str) -> list[str]:
        return [f"{self._prefix}{char}" for char in self._cased(word)]

    def _in_case(self, lexicon: Lexicon, *, keep_stress: bool) -> Lexicon:
        """The dictionary as it is looked up."""
        if keep_stress and all(self._cased(word) == word for word in lexicon):
            return lexicon
        entries = {}
        for word, prons in lexicon.items():
            kept = prons if keep_stress else tuple(tuple(s for s in pron if s not in STRESS) for pron in prons)
            entries[self._cased(word)] = kept
        return Lexicon(entries)

    def config(self) -> dict[str, Any]:
        """Returns its settings."""
        return {"type": "lexicon", **self._options}

    def files(self) -> dict[str, bytes]:
        """Returns the dictionary and the heteronyms."""
        return {LEXICON: self.lexicon.to_bytes(), HETERONYMS: "\n".join(self.heteronyms).encode()}

    @classmethod
    def build(cls, config: Mapping[str, Any], files: Mapping[str, bytes]) -> "LexiconPhonemes":
        """Makes it from its config and files."""
        words = files.get(HETERONYMS, b"").decode().splitlines()
        return cls(Lexicon.from_bytes(files[LEXICON]), heteronyms=words, **config)
