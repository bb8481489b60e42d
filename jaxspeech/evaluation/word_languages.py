"""How often the language of a word is right, of the words that were recognised as they are written."""

from collections.abc import Sequence
from typing import NamedTuple

from jaxspeech.text.error_rate import word_opcodes
from jaxspeech.text.spoken_in import Language, by_word


class WordLanguages(NamedTuple):
    """The words of a set that are right, and how many of them are said to be of their language."""

    right: int = 0
    words: int = 0

    def __add__(self, other: object) -> "WordLanguages":
        assert isinstance(other, WordLanguages)
        return WordLanguages(self.right + other.right, self.words + other.words)


def compare_languages(
    said: str, spoken: Language, heard: Sequence[str], languages: Sequence[str | None]
) -> WordLanguages:
    """Compares the languages of one transcript with those of its reference.

    Args:
      said: the reference.
      spoken: its language, or that of each word between white space; where these do not fit, nothing is counted.
      heard: the words of the transcript.
      languages: of each of them.
    """
    words = said.split()
    try:
        truth = by_word(spoken, len(words))
    except ValueError:
        return WordLanguages()
    if not words or not heard or None in truth:
        return WordLanguages()
    codes, count = word_opcodes(said, " ".join(heard))
    if count != len(words):  # words that scores compare as several, or as none
        return WordLanguages()
    equal = [
        (begin + k, start + k) for kind, begin, end, start, _ in codes if kind == "equal" for k in range(end - begin)
    ]
    return WordLanguages(sum(truth[i] == languages[k] for i, k in equal if k < len(languages)), len(equal))
