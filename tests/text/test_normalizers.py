"""The normalisations by name: the package's version, the leaderboard's rules, and texts in any Unicode form."""

import importlib.metadata
import unicodedata

import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.text import whisper_forms
from jaxspeech.text.normalizers import find_normalizer


def apply(name, text):
    pytest.importorskip("whisper_normalizer", reason='whisper-normalizer comes with pip install -e ".[eval]"')
    return find_normalizer(name).apply(text)


def test_without_packages():
    assert find_normalizer("none").apply(" A,  b") == " A,  b" and find_normalizer("none").package == ""
    assert find_normalizer("basic").apply("A, हिन्दी!") == "a हिन्दी"


def test_the_leaderboards_rules_are_whispers_and_three_more():
    text = "Um, ah, the dog's tail: it's what the B. B. C. said on 5 G, 'cause Mr. Colour's dunno."
    assert apply("leaderboard", text) == "the dog s tail it is what the bbc said on 5g cause mister color s dunno"
    assert apply("whisper", "ah b b c the dog's") == "ah b b c the dog is"
    assert apply("leaderboard", "i a m here") == "iam here" and apply("leaderboard", "a b here i x") == "a b here i x"
    assert apply("leaderboard", "this is a 5 star") == "this is a 5 star"


def test_forms_of_unicode_do_not_matter():
    text = "Çà, c’est l’été à Đà Nẵng"
    for name in ("whisper", "whisper_basic", "leaderboard"):
        assert apply(name, unicodedata.normalize("NFD", "\u200b" + text)) == apply(name, text)


def test_the_version_is_named(monkeypatch):
    pytest.importorskip("whisper_normalizer", reason='whisper-normalizer comes with pip install -e ".[eval]"')
    version = importlib.metadata.version("whisper-normalizer")
    assert find_normalizer("leaderboard").package == f"whisper-normalizer {version}"
    monkeypatch.setattr(whisper_forms, "PACKAGE", "no-such-package")
    with pytest.raises(ConfigError, match=r'pip install "jaxspeech\[eval\]"'):
        find_normalizer("whisper")
    with pytest.raises(ConfigError, match='did you mean "whisper"'):
        find_normalizer("wisper")
