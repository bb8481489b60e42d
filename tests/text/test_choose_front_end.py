"""The front end of a recipe: its kinds, that of a model, and what is not one."""

import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.text.choose_front_end import choose_front_end


def test_kinds(tmp_path):
    letters = choose_front_end({"type": "letters"})
    assert letters.tokenizer.decode(letters.spell("No 5!").ids) == "no five!"
    assert choose_front_end({"type": "model"}, letters) is letters
    german = choose_front_end({"type": "letters", "alphabet": "abcdefghijklmnopqrstuvwxyzäöüß"})
    assert german.tokenizer.decode(german.spell("Schöne Grüße!").ids) == "schöne grüße!"
    (tmp_path / "words.txt").write_text("hello  HH AH0 L OW1\n")
    (tmp_path / "mine.txt").write_text("hello  Y OW1\n")
    own = {"type": "lexicon", "path": str(tmp_path / "words.txt"), "normalizer": "none"}
    spelt = choose_front_end(own).spell("Hello")
    assert spelt.words == [("Hello", 0, 4)]
    overridden = choose_front_end(own | {"overrides": str(tmp_path / "mine.txt")})
    english = choose_front_end({"type": "english", "unknown": "letters"})
    assert english.tokenizer.decode(english.spell("cats").ids) == "KAE1TS"
    assert [overridden.tokenizer.pieces[i] for i in overridden.spell("hello").ids] == ["Y", "OW1"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"type": "letter"}, "front_end.type cannot be 'letter'; did you mean \"letters\""),
        ({"type": "letters", "normaliser": "none"}, "front_end.normaliser is not a field of the type 'letters'"),
        ({"type": "lexicon"}, "front_end.path is missing"),
        ({"type": "model"}, 'front_end.type is "model", but init_from names no model'),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(ConfigError, match=message):
        choose_front_end(settings)
