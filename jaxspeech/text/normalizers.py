"""The ways in which texts can be normalised before they are scored, by name."""

from collections.abc import Callable
from typing import NamedTuple

from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.text import whisper_forms
from jaxspeech.text.canonical import compose, visible
from jaxspeech.text.normalize import normalize

NAMES = ("none", "basic", "whisper", "whisper_basic", "leaderboard")


class Normalizer(NamedTuple):
    """A way to normalise texts; whatever it does, canonically equivalent texts give the same text.

    Attributes:
      name: one of `NAMES`.
      package: what computes it, with its version; "" for our own.
      apply: text -> text, to be compared word by word.
    """

    name: str
    package: str
    apply: Callable[[str], str]

    def by_word(self, word: str) -> list[str]:
        """The words that one word becomes; numbers, which only a sentence shows, stay as they are written."""
        apply = self.apply if self.name in ("none", "whisper_basic") else normalize
        return apply(word).split()


def find_normalizer(name: str) -> Normalizer:
    """Finds a way to normalise.

    none: nothing but what all scores do (`text.canonical.comparable`). basic: lower case without punctuation, in any
    language. whisper: Whisper's rules for English; whisper_basic: for other languages. leaderboard: those of the Open
    ASR Leaderboard, for English.

    Raises:
      ConfigError: there is none of this name, or its package is not installed.
    """
    if name not in NAMES:
        raise ConfigError(f"there is no normalisation {name!r}{did_you_mean(name, NAMES)}")
    if name == "none":
        return Normalizer(name, "", lambda text: text)
    if name == "basic":
        return Normalizer(name, "", normalize)
    package = f"{whisper_forms.PACKAGE} {whisper_forms.version()}"
    rules = {
        "whisper": whisper_forms.english,
        "whisper_basic": whisper_forms.of_any_language,
        "leaderboard": whisper_forms.leaderboard,
    }[name]()
    # The package decomposes texts, but its lists match composed ones without invisible characters.
    return Normalizer(name, package, lambda text: rules(visible(compose(text))))
