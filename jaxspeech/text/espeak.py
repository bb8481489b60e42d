"""Pronounces text in any of the hundred languages of eSpeak NG, in the International Phonetic Alphabet (IPA).

    "He has read the FBI's 25 books."  -> hiː hɐz ɹˈɛd ðɪ ˌɛfbˌiːˈaɪz twˈɛnti fˈaɪv bˈʊks .
    text between marks                 -> phonemes of the whole clause, so that neighbouring words decide about "read"
    clause                             -> words: aligned with the phonemes of each word alone where eSpeak joins words

The library is of the package espeakng-loader. It is loaded from a copy of its own, as one copy has one voice at a time.
"""

import ctypes
import re
import shutil
import tempfile
import threading
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from rapidfuzz.distance import Levenshtein

from jaxspeech.errors import SpeechError, did_you_mean
from jaxspeech.text.lexicon import Lexicon
from jaxspeech.text.parts import LEXICON, Part, composed_letters
from jaxspeech.text.symbol_sets import STRESS

MISSING = 'the pronunciations need eSpeak NG, which is not installed: python -m pip install "jaxspeech[synthesis]"'
_UTF8, _IPA = 1, 2
# "(en)" before a word that eSpeak reads in another language.
_LANGUAGE = re.compile(r"\([a-z]{2,3}(?:-[a-z0-9-]+)?\)")
_INITIALS = r"(?:[^\W\d_]\.){2,}"
_LETTER = r"[^\W_]"
# Marks as the voices know them; the opening ones of Spanish say nothing that the closing ones do not.
_MARKS = str.maketrans("，。、！？；：（）“”„«»—–", ',.,!?;:()"""""--', "¿¡")
_NAMED_SIGNS = frozenset("%‰&#@*§")
_REST = r"[^\s|,;:!?.\"()\[\]{}/…¿¡]*"
# Between digits, a mark is part of the number.
_PIECES = re.compile(
    rf"(?P<bars>\|[^|]*\|)|(?P<word>{_INITIALS}|{_LETTER}{_REST}(?:(?<=\d)[.,:](?=\d){_REST})*)|(?P<other>.)", re.DOTALL
)


class _Library:
    """eSpeak's functions, in a copy of the library that nobody else uses."""

    def __init__(self) -> None:
        try:
            import espeakng_loader
        except ImportError:
            raise SpeechError(MISSING) from None
        self.lock = threading.Lock()
        with tempfile.TemporaryDirectory() as folder:
            copy = shutil.copy(espeakng_loader.get_library_path(), folder)
            self._functions = ctypes.CDLL(str(copy))
        data = Path(espeakng_loader.get_data_path())
        if self._functions.espeak_Initialize(_UTF8 + 1, 0, str(data).encode(), 0) <= 0:
            raise SpeechError(f"eSpeak NG cannot read its data in {data}: reinstall espeakng-loader")
        self._files = _voice_files(data)
        self._functions.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._functions.espeak_SetVoiceByName.restype = ctypes.c_int
        self._voice = ""

    def phonemes(self, text: str, language: str) -> str:
        """The phonemes of a text, with spaces between words."""
        with self.lock:
            if language != self._voice:
                name = self._files.get(language)
                if name is None or self._functions.espeak_SetVoiceByName(name.encode()) != 0:
                    raise SpeechError(f'eSpeak NG has no language "{language}"{did_you_mean(language, self._files)}')
                self._voice = language
            buffer = ctypes.create_string_buffer(text.encode())
            rest = ctypes.c_char_p(ctypes.addressof(buffer))
            clauses = []
            while rest.value is not None:
                found = self._functions.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, _IPA)
                clauses.append((found or b"").decode())
        return " ".join(_LANGUAGE.sub("", " ".join(clauses)).split())


def _voice_files(data: Path) -> dict[str, str]:
    """The file of each language's voice: "en" has en-gb too."""
    files = {}
    for path in sorted(path for path in (data / "lang").rglob("*") if path.is_file()):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        for language in (line.split()[1] for line in lines if re.match(r"language\s+\S", line)):
            files.setdefault(language, path.name)
        files[path.name] = path.name
    return files


@lru_cache(1)
def _library() -> _Library:
    return _Library()


@lru_cache(1 << 14)
def _alone(word: str, language: str) -> str:
    return _library().phonemes(word, language)


def phonemes_alone(word: str, language: str) -> str:
    """Returns the IPA of one word, without spaces.

    Raises:
      SpeechError: eSpeak is not installed, or has no such language.
    """
    return _alone(word, language).replace(" ", "")


class EspeakPhonemes:
    """Pronounces words by eSpeak NG, except those of a dictionary of overrides.

    What stands between bars is passed on: "say |ɡˈɪf|".
    """

    def __init__(self, language: str = "en-us", *, stress: bool = True, overrides: Lexicon | None = None):
        """Takes the language and the overrides.

        Args:
          language: as eSpeak names it: "en-us", "en-gb", "de", "fr", "cmn", ...
          stress: whether ˈ and ˌ stay.
          overrides: pronunciations in IPA, instead of eSpeak's, whatever the case of the word.

        Raises:
          SpeechError: eSpeak is not installed, or has no such language.
        """
        self.language, self._stress = language, bool(stress)
        self.overrides = Lexicon({word.lower(): prons for word, prons in (overrides or {}).items()})
        _library().phonemes("", language)

    def parts(self, text: str) -> list[Part]:
        """Returns the words, with a space inside where eSpeak makes several of one, and what is between them."""
        parts: list[Part] = []
        clause: list[int] = []  # places in `parts` of the words up to the next mark
        for found in _PIECES.finditer(composed_letters(text).translate(_MARKS)):
            if found["word"] is not None:
                clause.append(len(parts))
                parts.append(Part(found[0], (), True))
                continue
            if found["bars"] is not None:
                inside = found[0][1:-1]
                parts.append(Part(found[0], tuple(inside.split() if " " in inside else inside), True))
                continue
            space = found[0].isspace()
            if not space:
                self._pronounce(parts, clause)
                clause = []
            symbols = (" ",) if space else self._mark(found[0])
            parts.append(Part(found[0], symbols, len(symbols) > 1))  # "%" and emoji are words
        self._pronounce(parts, clause)
        return parts

    def _mark(self, char: str) -> tuple[str, ...]:
        """Punctuation stands for itself; eSpeak names other signs."""
        if not unicodedata.category(char).startswith("S") and char not in _NAMED_SIGNS:
            return ("." if char == "…" else char,)
        named = phonemes_alone(char, self.language)
        return self._symbols(named) if named else (char,)

    def _pronounce(self, parts: list[Part], places: list[int]) -> None:
        """Fills in the words of one clause."""
        if not places:
            return
        words = [parts[place].text for place in places]
        spoken = _library().phonemes(" ".join(words), self.language)
        alone = [_alone(word, self.language) for word in words]
        divided = spoken.split(" ")
        # As many as there are words, and none that is several: then none was joined either.
        if len(divided) != len(words) or any(" " in phonemes for phonemes in alone):
            divided = _divide(spoken, [phonemes.replace(" ", "") for phonemes in alone])
        for place, word, phonemes in zip(places, words, divided, strict=True):
            own = self.overrides.get(word.lower())
            # eSpeak has no sound for some signs; then the word's letters are reported as unknown.
            symbols = own[0] if own else self._symbols(phonemes) or tuple(word)
            parts[place] = Part(word, symbols, True)

    def _symbols(self, phonemes: str) -> tuple[str, ...]:
        return tuple(char for char in phonemes if self._stress or char not in STRESS)

    def config(self) -> dict[str, Any]:
        """Returns its settings."""
        return {"type": "espeak", "language": self.language, "stress": self._stress}

    def files(self) -> dict[str, bytes]:
        """Returns the overrides, if there are any."""
        return {LEXICON: self.overrides.to_bytes()} if len(self.overrides) else {}

    @classmethod
    def build(cls, config: Mapping[str, Any], files: Mapping[str, bytes]) -> "EspeakPhonemes":
        """Makes it from its config and files."""
        return cls(**config, overrides=Lexicon.from_bytes(files[LEXICON]) if LEXICON in files else None)


def _divide(spoken: str, alone: list[str]) -> list[str]:
    """Divides the phonemes of a clause among its words, by the edits from the phonemes of each word alone."""
    joined = "".join(alone)
    sounds = [(place, char) for place, char in enumerate(spoken) if char != " "]
    blocks = Levenshtein.opcodes(joined, "".join(char for _, char in sounds))
    ends, total = [], 0
    for word in alone:
        total += len(word)
        block = next((b for b in blocks if b.src_start <= total <= b.src_end and total), None)
        if block is None:
            ends.append(0 if not total else len(sounds))
            continue
        # Within a block that is equal the place is exact; in a replaced one in proportion.
        share = (total - block.src_start) / max(block.src_end - block.src_start, 1)
        ends.append(round(block.dest_start + share * (block.dest_end - block.dest_start)))
    ends[-1] = len(sounds)
    divided, start = [], 0
    for end in ends:
        end = max(start, end)
        first = sounds[start][0] if start < len(sounds) else len(spoken)
        last = sounds[end][0] if end < len(sounds) else len(spoken)
        divided.append(spoken[first:last].strip())
        start = end
    return divided
