"""Tests the pronunciations of eSpeak NG: words and their phonemes, other languages, overrides, errors."""

import pytest

from jaxspeech.assets import build_asset
from jaxspeech.errors import SpeechError
from jaxspeech.text.espeak import EspeakPhonemes
from jaxspeech.text.front_end import FrontEnd
from jaxspeech.text.lexicon import Lexicon
from jaxspeech.text.symbol_sets import ESPEAK, PUNCTUATION, ipa
from jaxspeech.text.symbols import SymbolTokenizer

pytest.importorskip("espeakng_loader", reason='eSpeak NG comes with pip install -e ".[synthesis]"')


def said(text, language="en-us", **options):
    return [
        (part.text, "".join(part.symbols)) for part in EspeakPhonemes(language, **options).parts(text) if part.is_word
    ]


def test_words_keep_their_phonemes_where_espeak_joins_or_divides_them():
    assert said("Two of the 25 FBI agents, of the U.S.!") == [
        ("Two", "tˈuː"),
        ("of", "ʌv"),
        ("the", "ðə"),
        ("25", "twˈɛnti fˈaɪv"),
        ("FBI", "ˌɛfbˌiːˈaɪ"),
        ("agents", "ˈeɪdʒənts"),
        ("of", "ʌv"),
        ("the", "ðə"),
        ("U.S.", "jˌuːˈɛs"),
    ]


def test_neighbours_decide_about_a_word_but_not_across_a_mark():
    assert dict(said("He has read it"))["read"] == "ɹˈɛd"
    assert dict(said("He has, read it"))["read"] == dict(said("I read it"))["read"] == "ɹˈiːd"


@pytest.mark.parametrize(
    ("language", "text", "wanted"),
    [
        ("de", "Guten Tag, 5 Äpfel", ["ɡˈuːtən", "tˈɑːk", "fˈʏnf", "ˈɛpfəl"]),
        ("fr-fr", "l’homme", ["lˈɔm"]),
        ("es", "¿Qué tal?", ["kˈe", "tˈal"]),
        ("cmn", "你好，世界。", ["ni2χˈɑu2", "s.ˈi.5 tɕˈiɛ5"]),
        ("ru", "привет", ["prʲivʲˈet"]),
    ],
)
def test_other_languages(language, text, wanted):
    assert [phonemes for _, phonemes in said(text, language)] == wanted
    known = {*ESPEAK, *PUNCTUATION, " "}
    assert {symbol for part in EspeakPhonemes(language).parts(text) for symbol in part.symbols} <= known


def test_overrides_stress_and_what_stands_between_bars():
    overrides = Lexicon({"Gif": [["dʒ", "ɪ", "f"]]})
    assert said("GIF |ɡˈɪf| cat", overrides=overrides, stress=False) == [
        ("GIF", "dʒɪf"),
        ("|ɡˈɪf|", "ɡˈɪf"),
        ("cat", "kæt"),
    ]
    made = FrontEnd(SymbolTokenizer(ipa({*ESPEAK, "dʒ"})), EspeakPhonemes(overrides=overrides), normalizer="english")
    again = build_asset("front_end", made.config(), made.files())
    text = "A gif at 2:30, привет \U0001f600 & 3 cats…"
    spelled = again.spell(text)
    assert spelled == made.spell(text) and spelled.unknown == ()
    assert [word for word, _, _ in spelled.words] == [
        "A",
        "gif",
        "at",
        "two",
        "thirty,",
        "привет",
        "\U0001f600",
        "and",
        "three",
        "cats...",
    ]


def test_odd_texts_have_parts_and_no_crash():
    for text in ("", " ", "...", "\n", "|", "a|b", "\u0301", "x" * 3000, "word " * 2000, "'", "-", "\x00"):
        assert isinstance(EspeakPhonemes().parts(text), list)


def test_an_unknown_language_is_one_line():
    with pytest.raises(SpeechError, match='no language "en_US"; did you mean "en-US"'):
        EspeakPhonemes("en_US")
