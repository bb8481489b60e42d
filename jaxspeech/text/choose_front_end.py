"""Makes the text front end that a recipe describes.

    {"type": "english"}                                     CMUdict and eSpeak NG, in ARPABET
    {"type": "espeak", "language": "de"}                    any language of eSpeak NG, in IPA
    {"type": "lexicon", "path": "mine.txt"}                 a dictionary in CMUdict's form, in ARPABET or IPA
    {"type": "letters", "alphabet": "abcdeéfghijklmnop"}    no phonemes; English letters without an alphabet
    {"type": "model"}                                       that of init_from

All but "letters" take `overrides`, a second dictionary; all take `normalizer`, "english" or "none".
"""

import inspect
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.text.english import EnglishPhonemes
from jaxspeech.text.espeak import EspeakPhonemes
from jaxspeech.text.front_end import FrontEnd
from jaxspeech.text.lexicon import Lexicon, cmudict, read_lexicon
from jaxspeech.text.phonemes import Letters, LexiconPhonemes
from jaxspeech.text.symbol_sets import ESPEAK, arpabet, english_letters, ipa, letters
from jaxspeech.text.symbols import SymbolTokenizer

MODEL = "model"


def _english(*, overrides: str = "", unknown: str = "espeak", normalizer: str = "english") -> FrontEnd:
    spoken = EnglishPhonemes(_overridden(cmudict(), overrides, "arpabet"), unknown=unknown)
    return FrontEnd(SymbolTokenizer(arpabet(letters=False)), spoken, normalizer=normalizer)


def _espeak(
    *, language: str = "en-us", stress: bool = True, overrides: str = "", normalizer: str | None = None
) -> FrontEnd:
    spoken = EspeakPhonemes(language, stress=stress, overrides=_overridden(Lexicon({}), overrides, "ipa"))
    english = language == "en" or language.startswith("en-")
    chosen = normalizer or ("english" if english else "none")
    return FrontEnd(SymbolTokenizer(ipa(ESPEAK)), spoken, normalizer=chosen)


def _lexicon(*, path: str, overrides: str = "", alphabet: str = "arpabet", normalizer: str = "english") -> FrontEnd:
    lexicon = _overridden(read_lexicon(path, alphabet=alphabet), overrides, alphabet)
    spoken = LexiconPhonemes(lexicon, alphabet=alphabet, ambiguous="first", endings="sound")
    symbols = arpabet() if alphabet == "arpabet" else ipa({*spoken.symbols, *spoken.letters})
    return FrontEnd(SymbolTokenizer(symbols), spoken, normalizer=normalizer)


def _letters(*, alphabet: str = "", normalizer: str | None = None) -> FrontEnd:
    symbols = letters(unicodedata.normalize("NFC", alphabet)) if alphabet else english_letters()
    return FrontEnd(
        SymbolTokenizer(symbols),
        Letters(accents=bool(alphabet)),
        normalizer=normalizer or ("none" if alphabet else "english"),
    )


def _overridden(lexicon: Lexicon, path: str, alphabet: str) -> Lexicon:
    return lexicon.overridden(read_lexicon(path, alphabet=alphabet)) if path else lexicon


KINDS: dict[str, Callable[..., FrontEnd]] = {
    "english": _english,
    "espeak": _espeak,
    "lexicon": _lexicon,
    "letters": _letters,
}


def choose_front_end(settings: Mapping[str, Any], given: FrontEnd | None = None) -> FrontEnd:
    """Makes the front end.

    Args:
      settings: the part `front_end` of a recipe; "type" is one of `KINDS`, or "model".
      given: that of the model to start from.

    Raises:
      ConfigError: a setting is unknown, or there is no model to start from.
      SpeechError: a dictionary cannot be read.
    """
    options = dict(settings)
    kind = options.pop("type", "english")
    if kind == MODEL:
        if given is None:
            raise ConfigError('front_end.type is "model", but init_from names no model with a front end')
        return given
    if kind not in KINDS:
        raise ConfigError(f"front_end.type cannot be {kind!r}{did_you_mean(str(kind), [*KINDS, MODEL])}")
    known = inspect.signature(KINDS[kind]).parameters
    for name in options:
        if name not in known:
            raise ConfigError(f"front_end.{name} is not a field of the type {kind!r}{did_you_mean(name, known)}")
    if kind == "lexicon" and not options.get("path"):
        raise ConfigError('front_end.path is missing: the dictionary of the type "lexicon"')
    return KINDS[kind](**options)
