"""The tables of text tokenizers for voices: NeMo's classes of letters and phonemes, and what their lists consist of."""

import string
from typing import Any

from jaxspeech.interop.nemo.sections.arguments import Argument, Required, Section, among, flag, only, optional
from jaxspeech.text.symbol_sets import PUNCTUATION

# Where NeMo's configuration has it.
PLACE = "text_tokenizer"
TOKENIZERS = "nemo.collections.common.tokenizers.text_to_speech.tts_tokenizers"
G2P = "nemo.collections.tts.g2p.models"
ENGLISH, GERMAN, SPANISH = "EnglishCharsTokenizer", "GermanCharsTokenizer", "SpanishCharsTokenizer"
_QUOTES = ("«", "»", "‹", "›")
# The marks of a language, in NeMo's order: sorted, but for English letters and ARPABET.
LOCALES = {
    "en-US": tuple(sorted(PUNCTUATION)),
    "de-DE": tuple(sorted({*PUNCTUATION, *_QUOTES, *"„“‚‘‒–—"})),
    "es-ES": tuple(sorted({*PUNCTUATION, *_QUOTES, "¿", "¡"})),
}
_UMLAUTS = "äöüß"
# The alphabets of NeMo's classes of letters, their marks, and how they prepare a text.
LETTERS: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    ENGLISH: (string.ascii_lowercase, PUNCTUATION, {"accents": False, "case": "lower"}),
    GERMAN: (
        string.ascii_uppercase + "ÄÖÜẞ" + string.ascii_lowercase + _UMLAUTS,
        LOCALES["de-DE"],
        {"accents": True, "case": "mixed"},
    ),
    SPANISH: (string.ascii_lowercase + "áéíñóúü", LOCALES["es-ES"], {"accents": True, "case": "lower"}),
}
# Where the symbol of blanks is, which NeMo's voices may have for recognisers.
_BLANKS = {"": None, "last": "last", "after": "last_but_one"}


def _blank(value: Any) -> str:
    return "" if value is None else "last" if value == "last" else "after"


def _marks(value: Any) -> tuple[str, ...] | None:
    if value is not None and not (isinstance(value, (list, tuple)) and all(isinstance(mark, str) for mark in value)):
        raise ValueError("must be a list of marks")
    return None if value is None else tuple(value)


def text(value: Any) -> str:
    """Accepts a string."""
    if not isinstance(value, str):
        raise ValueError("must be a text")
    return value


def path(value: Any) -> str:
    """Accepts the name of a member of the file."""
    if not isinstance(value, str) or not value:
        raise ValueError("must name a member of the file: without it, NeMo would look for one elsewhere")
    return value


_COMMON = (
    Argument("punct", "marked", True, flag),
    Argument("non_default_punct_list", "punctuation", None, _marks),
    Argument("add_blank_at", "blank", None, _blank, _BLANKS.__getitem__),
    Argument("pad_with_space", "pad_with_space", False, flag),
)
_LISTED = (
    Argument(
        "silence", "silence", None, lambda value: "" if value is None else text(value), lambda value: value or None
    ),
    only("space", " "),
    only("oov", "<oov>"),
    only("sep", "|"),
)
CHARS = Section("letters", (*_COMMON, Argument("apostrophe", "apostrophe", True, flag)), package=TOKENIZERS)
ARPABET = Section(
    "arpabet",
    (
        *_COMMON,
        *_LISTED,
        Argument("apostrophe", "apostrophe", True, flag),
        Argument("stresses", "stress", False, flag),
        Argument("chars", "letters", False, flag),
    ),
    frozenset({"g2p"}),
    package=TOKENIZERS,
)
IPA = Section(
    "ipa",
    (
        *_COMMON,
        *_LISTED,
        Argument("apostrophe", "apostrophe", False, flag),
        Argument("locale", "locale", "en-US", among(*LOCALES)),
        only("locale_specific_punct", True),
        only("fixed_vocab", None),
    ),
    frozenset({"g2p"}),
    package=TOKENIZERS,
)
CLASSES = {**dict.fromkeys(LETTERS, CHARS), "EnglishPhonemesTokenizer": ARPABET, "IPATokenizer": IPA}
_LOOK_UP = (
    Argument("phoneme_dict", "lexicon", Required, path),
    Argument("heteronyms", "heteronyms", None, optional(path)),
    Argument("ignore_ambiguous_words", "spells_ambiguous", True, flag),
    only("apply_to_oov_word", None),
    only("mapping_file", None),
)
# NeMo mixes letters in as it trains; it speaks with phonemes.
MIXING = Argument("phoneme_probability", "mixing", None, optional(lambda value: float(value)))
ENGLISH_G2P = Section(
    "arpabet",
    (*_LOOK_UP, MIXING, Argument("encoding", "encoding", "latin-1", text), only("word_tokenize_func", None)),
    package=f"{G2P}.en_us_arpabet",
)
IPA_G2P = Section(
    "ipa",
    (
        *_LOOK_UP,
        MIXING,
        Argument("locale", "locale", "en-US", among(*LOCALES)),
        Argument("use_chars", "letters", False, flag),
        Argument("use_stresses", "stress", True, lambda value: bool(among(True, False, None)(value))),
        Argument("grapheme_case", "case", "upper", among("upper", "lower", "mixed")),
        Argument("grapheme_prefix", "letter_prefix", "", lambda value: "" if value is None else text(value)),
    ),
    package=f"{G2P}.i18n_ipa",
)
G2P_CLASSES = {"EnglishG2p": ENGLISH_G2P, "IpaG2p": IPA_G2P}
