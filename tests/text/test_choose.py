"""The tokenizer of a recipe is chosen by its settings."""

import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.text.char import CharTokenizer
from jaxspeech.text.choose import choose_tokenizer, texts_needed
from jaxspeech.text.tokenizer import write_tokenizer

SETTINGS = {"type": "char", "path": "", "characters": "", "vocab_size": 16}


def untouched():
    raise AssertionError("no text is needed")
    yield ""


def test_a_given_tokenizer_needs_no_text(tmp_path):
    given = CharTokenizer("abc ")
    assert choose_tokenizer(SETTINGS | {"type": "model"}, untouched(), given=given) is given
    write_tokenizer(tmp_path / "t", given)
    for settings in ({"path": str(tmp_path / "t")}, {"characters": "abc "}):
        assert choose_tokenizer(SETTINGS | settings, untouched(), given=None).encode("cab") == given.encode("cab")
    with pytest.raises(ConfigError, match="init_from must name the model"):
        choose_tokenizer(SETTINGS | {"type": "model"}, untouched(), given=None)


def test_a_new_one_is_trained_on_the_texts():
    texts = ["cab", "a bad cab"] * 5
    assert set(choose_tokenizer(SETTINGS, iter(texts), given=None).pieces) == set(" abcd")
    settings = SETTINGS | {"type": "bpe", "vocab_size": 8}
    assert choose_tokenizer(settings, iter(texts), given=None).vocab_size == 8
    assert texts_needed(SETTINGS) is None and texts_needed(settings) == 1_000_000
