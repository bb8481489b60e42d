"""The text front end of a voice: normalisation, pronunciations and symbols, kept as one asset of its archive.

"Dr. Smith, 5 ft"  -> "Doctor Smith, five feet"  -> D AA1 K T ER0 ... -> ids [0, 3, 26, ...]
      normaliser             pronunciations              tokenizer
"""

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from jaxspeech.errors import ArchiveError, TokenizerError, did_you_mean
from jaxspeech.table import Table
from jaxspeech.text.canonical import visible
from jaxspeech.text.parts import Part, Pronunciations
from jaxspeech.text.sentences import split_sentences
from jaxspeech.text.symbols import SymbolTokenizer

LOGGER = logging.getLogger("jaxspeech.front_end")
SYMBOLS = "symbols.json"
# Kind of pronunciations -> function (config without "type", files) -> Pronunciations.
PRONUNCIATIONS: Table[Callable[[dict[str, Any], Mapping[str, bytes]], Pronunciations]] = Table(
    {
        "english": "jaxspeech.text.english:EnglishPhonemes.build",
        "espeak": "jaxspeech.text.espeak:EspeakPhonemes.build",
        "letters": "jaxspeech.text.phonemes:Letters.build",
        "lexicon": "jaxspeech.text.phonemes:LexiconPhonemes.build",
    }
)
# Name of a normaliser -> function from a text to how it is spoken.
NORMALIZERS: Table[Callable[[str], str]] = Table({"none": str, "english": "jaxspeech.text.speech_text:spoken_form"})
# Between hour and minute, which the normalised texts of corpora keep apart so, a voice makes no pause.
_COLON = re.compile(r"(?<=[a-z]):(?=[a-z])")


class Spelling(NamedTuple):
    """A text in ids.

    Attributes:
      ids: of its symbols.
      words: (word, first, last): the word, with the marks that touch it, has the ids ids[first:last] without theirs.
        Words without an id are left out.
      unknown: symbols that the voice lacks, as often as they occurred.
      text: what was spelt, after normalisation.
    """

    ids: list[int]
    words: list[tuple[str, int, int]]
    unknown: tuple[str, ...] = ()
    text: str = ""


class FrontEnd:
    """An asset: everything between a text and the ids that a voice's model takes.

    Attributes:
      tokenizer: maps symbols to ids.
      pronunciations: turn a text into symbols.
      normalizer: the name of the normaliser, "none" if there is none.
    """

    def __init__(self, tokenizer: SymbolTokenizer, pronunciations: Pronunciations, *, normalizer: str = "none"):
        """Takes the parts.

        Raises:
          TokenizerError: there is no such normaliser.
        """
        if normalizer not in NORMALIZERS:
            raise TokenizerError(f"normaliser {normalizer!r} is unknown{did_you_mean(normalizer, NORMALIZERS)}")
        self.tokenizer = tokenizer
        self.pronunciations = pronunciations
        self.normalizer = normalizer
        self._reported: set[str] = set()

    def normalize(self, text: str) -> str:
        """Returns a text as it is spoken: numbers, dates, money and abbreviations in words."""
        return NORMALIZERS[self.normalizer](text)

    def spell(self, text: str, *, normalized: bool = False) -> Spelling:
        """Returns the ids of a text. Symbols that the voice lacks are left out; the log names each of them once.

        Args:
          text: any text. One without anything that the voice can speak has no words.
          normalized: whether it is normalised already, as a manifest's "normalized_text" is.
        """
        text = visible(text)
        text = text if normalized else self.normalize(text)
        text = text if self.normalizer == "none" else _COLON.sub(" ", text)
        parts = self.pronunciations.parts(text)
        encoded = self.tokenizer.encode(symbol for part in parts for symbol in part.symbols)
        self._report(encoded.unknown)
        words, place = [], 0
        first = int(encoded.places[:1] == [-1])
        for part, written in zip(parts, _with_marks(parts), strict=True):
            place += len(part.symbols)
            last = first
            while last < len(encoded.ids) and -1 < encoded.places[last] < place:
                last += 1
            if part.is_word and last > first:
                words.append((written, first, last))
            first = last
        return Spelling(encoded.ids, words, encoded.unknown, text)

    def sentences(self, text: str, *, longest: int = 200) -> list[str]:
        """Returns the sentences of a text, each short enough to be spoken at once, and to be given to `spell`.

        Args:
          text: any text, before normalisation.
          longest: the most characters of a sentence; 200 take about 15 s. Longer ones are split at commas or spaces.
        """
        return split_sentences(text, longest=longest)

    def _report(self, unknown: tuple[str, ...]) -> None:
        new = sorted(set(unknown) - self._reported)
        if new:
            self._reported.update(new)
            named = ", ".join(f"{symbol!r}" for symbol in new[:8]) + (
                f" and {len(new) - 8} more" if len(new) > 8 else ""
            )
            LOGGER.warning("the voice has no symbol for %s: left out", named)

    def config(self) -> dict[str, Any]:
        """Returns the settings of its parts."""
        settings = {name: value for name, value in self.tokenizer.config().items() if name != "symbols"}
        return {"normalizer": self.normalizer, "pronunciations": self.pronunciations.config(), "tokenizer": settings}

    def files(self) -> dict[str, bytes]:
        """Returns the list of symbols and the files of the pronunciations."""
        symbols = json.dumps(self.tokenizer.pieces, ensure_ascii=False, indent=0).encode()
        return {SYMBOLS: symbols, **self.pronunciations.files()}

    @classmethod
    def build(cls, config: Mapping[str, Any], files: Mapping[str, bytes]) -> "FrontEnd":
        """Makes the asset from its config and its files.

        Raises:
          ArchiveError: they are damaged, or do not fit each other.
        """
        try:
            tokenizer = SymbolTokenizer(json.loads(files[SYMBOLS]), **config["tokenizer"])
            settings = dict(config["pronunciations"])
            kind = settings.pop("type")
            if kind not in PRONUNCIATIONS:
                raise ArchiveError(f"pronunciations {kind!r} are unknown to this jaxspeech")
            return cls(tokenizer, PRONUNCIATIONS[kind](settings, files), normalizer=config["normalizer"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, (ArchiveError, TokenizerError)):
                raise
            raise ArchiveError(f"the text front end cannot be read ({type(error).__name__}: {error})") from error


def _with_marks(parts: Sequence[Part]) -> list[str]:
    """Returns for each word what is written without a space around it, "" for what is between words."""
    written = [part.text if part.is_word else "" for part in parts]
    word, ahead = None, ""  # the word that a mark would touch, or the marks after the last space
    for i, part in enumerate(parts):
        if part.is_word:
            word, written[i], ahead = i, ahead + part.text, ""
            continue
        for char in part.text:
            if char.isspace():
                word, ahead = None, ""
            elif word is None:
                ahead += char
            else:
                written[word] += char
    return written
