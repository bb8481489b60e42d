"""Tests the asset of class names: what it is stored as, and what is a name."""

import pytest

from jaxspeech.assets import BUILDERS, build_asset
from jaxspeech.errors import ArchiveError, ConfigError
from jaxspeech.text.classes import Classes, class_name


def test_names_and_weights_come_back_from_their_files():
    for classes in (Classes(["ja", "nein\n", "e\u0301", "no, thanks"]), Classes(["a", "b"], [1, 2.5])):
        again = build_asset("classes", classes.config(), classes.files())
        assert (again.names, again.weights, again.numbers) == (classes.names, classes.weights, classes.numbers)
    assert Classes(["e\u0301"]).numbers == {"\u00e9": 0}  # one name, however it was typed
    assert "classes" in BUILDERS and len(Classes("ab")) == 2


@pytest.mark.parametrize(
    ("names", "weights", "message"),
    [
        ([], (), "at least one name"),
        (["a", ""], (), "none may be empty"),
        (["a", "b", "a"], (), "two classes have the name 'a'"),
        (["a", "b"], (1,), "1 weights of classes for 2 names"),
        (["a", "b"], (1, float("nan")), "must be numbers, 0 or more"),
    ],
)
def test_what_cannot_be_classes_is_one_line(names, weights, message):
    with pytest.raises(ConfigError, match=message):
        Classes(names, weights)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"3", b'["a"]'])
def test_damaged_files_are_an_error_of_the_archive(content):
    with pytest.raises(ArchiveError):
        build_asset("classes", {"count": 2}, {"names.json": content})


def test_a_name_is_a_text_or_a_number():
    named = {"label": " yes ", "n": 3, "none": None, "blank": "  ", "bool": True, "list": ["a"], "fraction": 0.5}
    assert [class_name(named, field) for field in named] == ["yes", "3", None, None, None, None, None]
    assert class_name({"command": "up"}, "label") == "up"  # NeMo's other name of the field
    assert class_name({"command": "up"}, "speaker") is None
