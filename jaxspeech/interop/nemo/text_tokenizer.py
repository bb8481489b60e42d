"""Reads the text front end of a voice: NeMo's section `text_tokenizer` and the dictionaries that it names.

The list of symbols follows from the class, its arguments and the dictionary, as in NeMo, and is kept from then on.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.container import NemoFile
from jaxspeech.interop.nemo.sections.read import class_name, read_section, value_at
from jaxspeech.interop.nemo.sections.text_tokenizer import (
    CLASSES,
    ENGLISH,
    G2P_CLASSES,
    LETTERS,
    LOCALES,
    PLACE,
)
from jaxspeech.text.front_end import FrontEnd
from jaxspeech.text.lexicon import parse_lexicon
from jaxspeech.text.phonemes import Letters, LexiconPhonemes
from jaxspeech.text.symbol_sets import PUNCTUATION, arpabet, ipa, letters
from jaxspeech.text.symbols import SymbolTokenizer


def read_front_end(file: NemoFile, config: Mapping[str, Any], vocab_size: int | None) -> FrontEnd:
    """Reads the front end of a .nemo file.

    Args:
      file: holds the dictionaries.
      config: the content of model_config.yaml.
      vocab_size: number of symbols of the model; None if it is not known.

    Raises:
      ArchiveError: it is missing, of an unknown kind, or has a different number of symbols; lists all reasons.
    """
    problems: list[str] = []
    fields = read_section(CLASSES, config, PLACE, problems)
    name = class_name(value_at(config, f"{PLACE}._target_"))
    own: dict[str, Any] = {}
    if not problems and fields["name"] != "letters":
        table = {name: section for name, section in G2P_CLASSES.items() if section.name == fields["name"]}
        own = read_section(table, config, f"{PLACE}.g2p", problems)
    if problems:
        raise ArchiveError(f"not supported: {'; '.join(problems)}")
    english = fields.get("locale", "en-US") == "en-US" and (fields["name"] != "letters" or name == ENGLISH)
    normalizer = "english" if english else "none"
    front_end = _letters(name, fields, normalizer) if not own else _phonemes(file, fields, own, normalizer)
    if vocab_size is not None and front_end.tokenizer.vocab_size != vocab_size:
        found = front_end.tokenizer.vocab_size
        raise ArchiveError(f"its text tokenizer has {found} symbols, its model {vocab_size}")
    return front_end


def _marks(fields: Mapping[str, Any], usual: tuple[str, ...]) -> tuple[str, ...]:
    given = fields["punctuation"]
    return () if not fields["marked"] else usual if given is None else given


def _letters(name: str, fields: Mapping[str, Any], normalizer: str) -> FrontEnd:
    alphabet, usual, options = LETTERS[name]
    listed = {"punctuation": _marks(fields, usual), "apostrophe": fields["apostrophe"], "blank": fields["blank"]}
    symbols = letters(alphabet, **listed)
    tokenizer = SymbolTokenizer(symbols, pad_with_space=fields["pad_with_space"])
    return FrontEnd(tokenizer, Letters(**options), normalizer=normalizer)


def _phonemes(file: NemoFile, fields: Mapping[str, Any], own: Mapping[str, Any], normalizer: str) -> FrontEnd:
    in_ipa, english = fields["name"] == "ipa", fields.get("locale", "en-US") == "en-US"
    encoding = own.get("encoding", "utf-8")
    content = _text(file.read(_member(own["lexicon"])), encoding)
    words = parse_lexicon(content, alphabet=fields["name"])
    heteronyms: list[str] = []
    if own["heteronyms"]:
        heteronyms = [word for word in _text(file.read(_member(own["heteronyms"])), encoding).splitlines() if word]
    spelt = own.get("letters", False) or own["mixing"] is not None
    options: dict[str, Any] = {"ambiguous": "letters" if own["spells_ambiguous"] else "first", "heteronyms": heteronyms}
    listed = {name: fields[name] for name in ("silence", "apostrophe", "blank")}
    spaces = {"pad_with_space": fields["pad_with_space"], "separator": "|"}
    if in_ipa:
        own_options = {name: own[name] for name in ("case", "letter_prefix", "stress")}
        spoken = LexiconPhonemes(words, alphabet="ipa", accents=not english, **own_options, **options)
        marks = _marks(fields, LOCALES[fields["locale"]])
        symbols = ipa(spoken.symbols | (spoken.letters if spelt else set()), punctuation=marks, **listed)
        return FrontEnd(SymbolTokenizer(symbols, collapse_spaces=False, **spaces), spoken, normalizer=normalizer)
    marks, with_letters = _marks(fields, PUNCTUATION), fields["letters"] or own["mixing"] is not None
    symbols = arpabet(stress=fields["stress"], letters=with_letters, punctuation=marks, **listed)
    tokenizer = SymbolTokenizer(symbols, drop_stress=not fields["stress"], **spaces)
    return FrontEnd(tokenizer, LexiconPhonemes(words, **options), normalizer=normalizer)


def _member(path: str) -> str:
    return PurePosixPath(path.removeprefix("nemo:")).name


def _text(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except (LookupError, UnicodeDecodeError) as error:
        raise ArchiveError(f"its dictionary of pronunciations cannot be read ({error})") from error
