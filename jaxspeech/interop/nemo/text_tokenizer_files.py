"""Writes the text front end of a voice as NeMo stores it: the section `text_tokenizer`, and the dictionaries it names.

A list of symbols that no class of NeMo makes from its arguments and dictionary cannot be written.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from jaxspeech.assets import Assets
from jaxspeech.interop.nemo.sections.read import value_at
from jaxspeech.interop.nemo.sections.text_tokenizer import CLASSES, G2P_CLASSES, LETTERS, LOCALES, PLACE
from jaxspeech.interop.nemo.sections.write import inner, write_section
from jaxspeech.text.english import EnglishPhonemes
from jaxspeech.text.front_end import FrontEnd
from jaxspeech.text.phonemes import Letters, LexiconPhonemes
from jaxspeech.text.symbol_sets import APOSTROPHE, CONSONANTS, PUNCTUATION, arpabet, ipa, letters
from jaxspeech.text.symbols import PAD, SymbolTokenizer

# Names of the files of dictionaries, after what makes them unique.
NAMES = {"phoneme_dict": "pronunciations.txt", "heteronyms": "heteronyms.txt"}


def write_text_tokenizer(
    assets: Assets, base: Mapping[str, Any], problems: list[str]
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Makes NeMo's section for a model's front end, and its files by the names that they have in the .nemo file."""
    front_end = assets.get("front_end")
    if not isinstance(front_end, FrontEnd):
        problems.append("a model without a text front end")
        return {}, {}
    pronunciations = front_end.pronunciations
    if isinstance(pronunciations, Letters):
        return _written_letters(front_end, base, problems), {}
    if isinstance(pronunciations, (EnglishPhonemes, LexiconPhonemes)):
        return _written_phonemes(front_end, pronunciations, base, problems)
    problems.append(f"pronunciations {pronunciations.config().get('type')!r}")
    return {}, {}


def _blank(tokenizer: SymbolTokenizer) -> str:
    return "" if tokenizer.blank is None else "last" if tokenizer.blank == tokenizer.vocab_size - 1 else "after"


def _shared(tokenizer: SymbolTokenizer, marks: tuple[str, ...], usual: tuple[str, ...]) -> dict[str, Any]:
    """Fields of every class. The marks are those of the list, in its order."""
    given = None if marks in ((), usual) else marks
    settings = tokenizer.config()
    return {
        "marked": bool(marks),
        "punctuation": given,
        "blank": _blank(tokenizer),
        "pad_with_space": settings["pad_with_space"],
        "apostrophe": APOSTROPHE in tokenizer,
    }


def _written_letters(front_end: FrontEnd, base: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    tokenizer = front_end.tokenizer
    for name, (alphabet, usual, options) in LETTERS.items():
        pieces = tokenizer.pieces
        begins = 1 + len(alphabet) + (APOSTROPHE in tokenizer)
        marks = pieces[begins : pieces.index(PAD)]
        listed = {"punctuation": marks, "apostrophe": APOSTROPHE in tokenizer, "blank": _blank(tokenizer)}
        same = letters(alphabet, **listed) == pieces
        if same and front_end.pronunciations.config() == {"type": "letters", **options}:
            fields = _shared(tokenizer, marks, usual)
            return write_section({name: CLASSES[name]}, base, PLACE, "letters", fields, problems)
    problems.append("this list of letters (it must be an alphabet that NeMo has, with the marks after it)")
    return {}


def _written_phonemes(
    front_end: FrontEnd, spoken: EnglishPhonemes | LexiconPhonemes, base: Mapping[str, Any], problems: list[str]
) -> tuple[dict[str, Any], dict[str, bytes]]:
    tokenizer = front_end.tokenizer
    # NeMo has no phonemes of English but those of a dictionary, see `differences`.
    options = {"alphabet": "arpabet", "ambiguous": "letters", "accents": False, **spoken.config()}
    alphabet, heteronyms = options["alphabet"], getattr(spoken, "heteronyms", ())
    lines, encoding = _dictionary(spoken, alphabet)
    files = {"phoneme_dict": lines.encode(encoding)}
    if heteronyms:
        files["heteronyms"] = "".join(f"{word}\n" for word in heteronyms).encode(encoding)
    stored = {f"{hashlib.sha256(content).hexdigest()[:32]}_{NAMES[name]}": content for name, content in files.items()}
    named = dict(zip(files, (f"nemo:{name}" for name in stored), strict=True))
    own = {
        "lexicon": named["phoneme_dict"],
        "heteronyms": named.get("heteronyms"),
        "spells_ambiguous": options["ambiguous"] == "letters",
        "encoding": encoding,
        "mixing": value_at(base, f"{PLACE}.g2p.phoneme_probability"),
    }
    if options["accents"]:
        problems.append("pronunciations with accents")
    if alphabet == "arpabet" or not isinstance(spoken, LexiconPhonemes):
        fields, same = _arpabet_fields(tokenizer)
    else:
        fields, same = _ipa_fields(tokenizer, spoken)
        own |= {name: options[name] for name in ("case", "letter_prefix", "stress")}
        own |= {"letters": fields["letters"], "locale": "en-US"}
    if not same:
        problems.append("this list of symbols (NeMo makes it from the dictionary)")
        return {}, {}
    if not fields["letters"]:
        own["mixing"] = None
    names = {"arpabet": ("EnglishPhonemesTokenizer", "EnglishG2p"), "ipa": ("IPATokenizer", "IpaG2p")}[alphabet]
    section = write_section({names[0]: CLASSES[names[0]]}, base, PLACE, alphabet, fields, problems)
    g2p = write_section({names[1]: G2P_CLASSES[names[1]]}, base, f"{PLACE}.g2p", alphabet, own, problems)
    return section | {"g2p": {**inner(base, f"{PLACE}.g2p"), **g2p}}, stored


def _arpabet_fields(tokenizer: SymbolTokenizer) -> tuple[dict[str, Any], bool]:
    pieces = tokenizer.pieces
    silence = pieces[1] if pieces[1] not in CONSONANTS else ""
    listed: dict[str, Any] = {
        "stress": "AA1" in pieces,
        "letters": "a" in pieces,
        "silence": silence,
        "apostrophe": APOSTROPHE in pieces,
    }
    begins = arpabet(**listed, punctuation=()).index(PAD)
    marks = pieces[begins : pieces.index(PAD)]
    same = arpabet(**listed, punctuation=marks, blank=_blank(tokenizer)) == pieces
    same = same and tokenizer.config()["drop_stress"] != listed["stress"] and tokenizer.config()["collapse_spaces"]
    return _shared(tokenizer, marks, PUNCTUATION) | listed, same


def _ipa_fields(tokenizer: SymbolTokenizer, spoken: LexiconPhonemes) -> tuple[dict[str, Any], bool]:
    pieces, usual = tokenizer.pieces, LOCALES["en-US"]
    spelt = spoken.letters <= set(pieces)
    known = spoken.symbols | (spoken.letters if spelt else set())
    sounding = pieces[: pieces.index(PAD)]
    space = sounding.index(" ")
    silence = sounding[space + 1] if space == len(sounding) - 2 else ""
    marks = tuple(piece for piece in sounding[:space] if piece not in known and piece != APOSTROPHE)
    listed: dict[str, Any] = {"silence": silence, "apostrophe": APOSTROPHE in pieces}
    same = ipa(known, punctuation=marks, blank=_blank(tokenizer), **listed) == pieces
    same = same and not tokenizer.config()["collapse_spaces"]
    return _shared(tokenizer, marks, usual) | listed | {"letters": spelt, "locale": "en-US"}, same


def _dictionary(spoken: EnglishPhonemes | LexiconPhonemes, alphabet: str) -> tuple[str, str]:
    """The dictionary in NeMo's form, and its encoding."""
    lines = []
    for word, variants in spoken.lexicon.items():
        for number, symbols in enumerate(variants):
            entry = word.upper() if alphabet == "arpabet" else word
            entry += f"({number})" if number else ""
            lines.append(f"{entry}  {(' ' if alphabet == 'arpabet' else '').join(symbols)}\n")
    text = "".join(lines)
    latin = alphabet == "arpabet" and not any(ord(char) > 0xFF for char in text)
    return text, "latin-1" if latin else "utf-8"


def differences(assets: Assets) -> list[str]:
    """Lists what NeMo's front end does differently from ours, a sentence each."""
    front_end = assets.get("front_end")
    if not isinstance(front_end, FrontEnd):
        return []
    remarks = []
    if front_end.normalizer != "none":
        remarks.append("NeMo does not write numbers out without nemo_text_processing: it leaves digits out")
    if isinstance(front_end.pronunciations, EnglishPhonemes):
        remarks.append("NeMo looks words up in the dictionary alone, and spells the others in letters if it has any")
    return remarks
