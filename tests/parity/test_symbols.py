"""Compares the ids of symbols with NeMo's tokenizers of voices."""

import json

import pytest

from jaxspeech.assets import build_asset
from jaxspeech.text.front_end import FrontEnd
from jaxspeech.text.lexicon import Lexicon
from jaxspeech.text.phonemes import Letters, LexiconPhonemes
from jaxspeech.text.symbol_sets import PUNCTUATION, arpabet, english_letters, ipa
from jaxspeech.text.symbols import SymbolTokenizer

HETERONYMS = ("read",)


def letters(*, pad_with_space=False, **listed):
    return FrontEnd(SymbolTokenizer(english_letters(**listed), pad_with_space=pad_with_space), Letters())


def phonemes(words, *, heteronyms=HETERONYMS, ambiguous="letters", pad_with_space=False, **listed):
    spoken = LexiconPhonemes(Lexicon(words), heteronyms=heteronyms, ambiguous=ambiguous)
    options = {"drop_stress": not listed.get("stress", True), "pad_with_space": pad_with_space, "separator": "|"}
    return FrontEnd(SymbolTokenizer(arpabet(**listed), **options), spoken)


def in_ipa(words, *, prefix="", spelt=False, stress=True, apostrophe=False, pad_with_space=False):
    spoken = LexiconPhonemes(Lexicon(words), alphabet="ipa", letter_prefix=prefix, stress=stress)
    symbols = ipa(spoken.symbols | (spoken.letters if spelt else set()), apostrophe=apostrophe)
    options = {"collapse_spaces": False, "pad_with_space": pad_with_space, "separator": "|"}
    return FrontEnd(SymbolTokenizer(symbols, **options), spoken)


MADE = {
    "chars": lambda words: letters(),
    "chars_pad_space": lambda words: letters(pad_with_space=True),
    "chars_blank_last_nopunct": lambda words: letters(punctuation=(), blank="last"),
    "chars_blank_after": lambda words: letters(apostrophe=False, blank="after"),
    "arpabet": lambda words: phonemes(words["arpabet"], pad_with_space=True),
    "arpabet_nostress_nochars": lambda words: phonemes(words["arpabet"], stress=False, letters=False),
    "arpabet_ambiguous_first": lambda words: phonemes(
        words["arpabet"], heteronyms=(), ambiguous="first", silence="<sil>"
    ),
    "ipa": lambda words: in_ipa(words["ipa"], pad_with_space=True),
    "ipa_prefix_lower": lambda words: in_ipa(words["ipa"], prefix="#", spelt=True, apostrophe=True),
    "ipa_nostress_nochars": lambda words: in_ipa(words["ipa"], stress=False),
}


@pytest.mark.parametrize("name", MADE)
def test_lists_and_ids_are_nemos(refs, name):
    path = refs / "tts_tokenizers.json"
    if not path.exists():
        pytest.skip(f"{refs} has no tts_tokenizers.json")
    reference = json.loads(path.read_text())
    if name not in reference["out"]:
        pytest.skip(f"tts_tokenizers.json has no {name}")
    wanted = reference["out"][name]
    made = MADE[name](reference)
    for front_end in (made, build_asset("front_end", made.config(), made.files())):
        tokenizer = front_end.tokenizer
        assert list(tokenizer.pieces) == wanted["tokens"]
        ids = (tokenizer.pad, tokenizer.blank, tokenizer.oov, tokenizer.space)
        assert ids == tuple(wanted[kind] for kind in ("pad", "blank", "oov", "space"))
        for sentence, theirs in zip(reference["sentences"], wanted["ids"], strict=True):
            ours = front_end.spell(sentence).ids
            # NeMo fails where nothing but spaces is left; the empty text is right.
            assert ours == (front_end.spell("").ids if isinstance(theirs, str) else theirs), sentence
    assert set(PUNCTUATION) <= set(made.tokenizer.pieces) or "nopunct" in name
