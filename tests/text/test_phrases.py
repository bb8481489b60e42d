"""Lists of phrases in every form that they can be given in, and what is said of a bad one."""

import json

import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.text.phrases import Phrase, read_phrases


@pytest.mark.parametrize(
    "given",
    [
        ["new york", ("uhm", -2), {"phrase": "IBM", "weight": 1.5, "lang": "en", "exact": True}],
        ({"text": "new  york "}, Phrase("uhm", -2.0), {"phrase": "IBM", "score": 1.5, "language": "en", "exact": True}),
    ],
)
def test_entries(given):
    assert read_phrases(given) == (Phrase("new york"), Phrase("uhm", -2.0), Phrase("IBM", 1.5, "en", True))


def test_weights_by_phrase_and_the_last_of_equal_ones():
    assert read_phrases({"a": 2, "b": 0.5}) == (Phrase("a", 2.0), Phrase("b", 0.5))
    assert read_phrases(["a", "b", ("a", 3)]) == (Phrase("a", 3.0), Phrase("b"))
    assert read_phrases(["e\u0301t\u00e9"]) == (Phrase("\u00e9t\u00e9"),)  # one of several canonical forms
    assert read_phrases([]) == ()


def test_files(tmp_path):
    text, of_json, lines = (tmp_path / name for name in ("names.txt", "names.json", "names.jsonl"))
    text.write_bytes("\ufeffnew york\r\n\n  Łódź\t2.5\nHELLO WORLD :1.5\nat 10 :30 sharp\n".encode())
    expected = Phrase("new york"), Phrase("Łódź", 2.5), Phrase("HELLO WORLD", 1.5), Phrase("at 10 :30 sharp")
    assert read_phrases(text) == read_phrases(str(text)) == expected
    of_json.write_text(json.dumps({"a": 2, "b": 1}))
    assert read_phrases(of_json) == (Phrase("a", 2.0), Phrase("b"))
    of_json.write_text(json.dumps(["a", {"phrase": "b", "weight": -1}]))
    assert read_phrases(of_json) == (Phrase("a"), Phrase("b", -1.0))
    lines.write_text('"a"\n{"phrase": "b"}\n\n["c", 2]\n')
    assert read_phrases(lines) == (Phrase("a"), Phrase("b"), Phrase("c", 2.0))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("Kowalczyk", "Kowalczyk cannot be read (No such file or directory); phrases themselves are given as a list"),
        (7, "boost is 7; give a list"),
        (["a", ""], "boost, entry 2: the phrase is '', not text"),
        (["a", 3], "boost, entry 2: 3 is no phrase"),
        ({"a": "high"}, "the weight of 'a' is 'high', not a number"),
        ({"a": float("nan")}, "the weight of 'a' is nan, not a number"),
        ({"a": 1e5}, "the weight of 'a' is 100000.0; the most is 10000"),
        ({"a": 10**400}, "the weight of 'a' is 1000000"),
        ([{"phrase": "a", "wieght": 2}], "entry 1: 'wieght'; did you mean \"weight\"?"),
        ([{"weight": 2}], "entry 1: the phrase is None"),
        ([{"phrase": "a", "exact": 1}], "exact 1"),
    ],
)
def test_a_bad_list_is_one_clear_line(given, message):
    with pytest.raises(ConfigError) as error:
        read_phrases(given)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_bad_file_names_the_line(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("a\nb\tmuch\n")
    with pytest.raises(ConfigError, match=r"names.txt:2: the weight of 'b' is 'much'"):
        read_phrases(path)
    path.write_bytes(b"caf\xe9\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_phrases(path)
    path = tmp_path / "names.jsonl"
    path.write_text('"a"\n{"phrase"\n')
    with pytest.raises(ConfigError, match=r"names.jsonl:2: not JSON"):
        read_phrases(path)


def test_damaged_json_is_one_clear_line(tmp_path):
    path = tmp_path / "names.json"
    for text in ('["a", ', "[" * 100_000, "[1" + "0" * 5000 + "]"):
        path.write_text(text)
        with pytest.raises(ConfigError, match=r"names\.json: not JSON: ") as error:
            read_phrases(path)
        assert "\n" not in str(error.value)
