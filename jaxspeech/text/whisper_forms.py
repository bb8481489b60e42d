"""Normalises texts as Whisper's authors do, or the Open ASR Leaderboard, by the package whisper-normalizer.

Whisper's rules for English spell out contractions and titles, write numbers in digits and British spellings as American
ones, and drop fillers, brackets and punctuation. The leaderboard (2026) adds to them:

- more fillers are dropped: ah, eh, em, hm, huh, ...
- 's becomes " is" only after it, he, she, that, what, ...: "the dog's tail" keeps its possessive s as a word, "s"
- runs of single letters and digits are one word: "b b c" is "bbc", "5 g" is "5g"; two that hold "a" or "i" stay

It also keeps "cause", "dunno", "kinda" and "sorta", which the package replaces. Its tables of names with several
spellings (Ann, Anne) and of compounds (wi fi) are left out, so that rates of texts with many of them are slightly above
those that it prints: about 1 in 200 sentences of audiobooks differ.

Sources: Radford et al., 2022, appendix C; github.com/huggingface/open_asr_leaderboard, normalizer/, August 2026.
"""

import importlib
import importlib.metadata
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import groupby
from typing import Any

from jaxspeech.errors import ConfigError

PACKAGE = "whisper-normalizer"
MISSING = f'this normalisation is computed by {PACKAGE}, which is not installed: pip install "jaxspeech[eval]"'
# The words that the leaderboard drops: Whisper's, and more.
FILLERS = "ah|aha|ahh|ahm|eh|ehehe|em|hm|hmm|huh|hum|mhm|mhum|mm|mmm|uh|uhm|uhuh|um|umm"
# After these words it reads 's as "is".
WITH_IS = "he|here|how|it|she|that|there|this|what|when|where|who|why"
# Words that the package replaces, but not the leaderboard.
KEPT = [rf"\b{word}\b" for word in ("cause", "dunno", "kinda", "sorta")]
# Letters that are words: two single letters with one of them are no abbreviation.
WORDS_OF_ONE_LETTER = ("a", "i")


def version() -> str:
    """The version of the package, such as "0.1.15"; outputs name it, as its rules change.

    Raises:
      ConfigError: it is not installed.
    """
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError as error:
        raise ConfigError(MISSING) from error


@lru_cache
def english() -> Callable[[str], str]:
    """Whisper's rules for English."""
    return _parts("english").EnglishTextNormalizer()


@lru_cache
def of_any_language() -> Callable[[str], str]:
    """Whisper's rules for all other languages: lower case, without brackets, symbols and marks.

    They drop combining marks, which are vowels in Indic scripts and Thai.
    """
    return _parts("basic").BasicTextNormalizer()


@lru_cache
def leaderboard() -> Callable[[str], str]:
    """The leaderboard's rules for English."""
    whisper = _parts("english").EnglishTextNormalizer()
    whisper.ignore_patterns = rf"\b({FILLERS})\b"
    possessive = {rf"\b({WITH_IS})'s\b": r"\1 is"}
    whisper.replacers = {
        key: value
        for pattern, replacement in whisper.replacers.items()
        if pattern not in KEPT
        for key, value in (possessive if pattern == r"'s\b" else {pattern: replacement}).items()
    }
    return lambda text: " ".join(_joined(whisper(text).split()))


def _joined(words: list[str]) -> Iterator[str]:
    """Joins runs of single letters and digits."""
    for single, group in groupby(words, lambda word: len(word) == 1 and word.isalnum()):
        run = list(group)
        least = 3 if any(word in WORDS_OF_ONE_LETTER for word in run) else 2
        yield from ["".join(run)] if single and len(run) >= least else run


def _parts(name: str) -> Any:
    version()
    return importlib.import_module(f"whisper_normalizer.{name}")
