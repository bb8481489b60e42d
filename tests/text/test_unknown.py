"""What tokenizers of another casing or script do not know of a text."""

import pytest

from jaxspeech.errors import TokenizerError
from jaxspeech.text.aggregate import AggregateTokenizer
from jaxspeech.text.char import CharTokenizer
from jaxspeech.text.sentencepiece import SentencePieceTokenizer
from jaxspeech.text.train import train_tokenizer
from jaxspeech.text.unknown import count_unknown
from jaxspeech.text.wordpiece import WordPieceTokenizer

TEXTS = ["hello world", "we are here", "the cat sat"]


@pytest.fixture(scope="module")
def lower():
    return train_tokenizer(TEXTS * 3, type="bpe", vocab_size=30)


def test_sentencepiece(lower):
    known = lower.find_unknown("the world")
    assert known.unknown == known.lost == 0 and known.characters == 8 and not known.missing
    capitals = lower.find_unknown("THE WORLD")  # a word mark and one unknown token for each word
    assert capitals == (2, 2, 8, 8, "THEWORLD")
    mixed = lower.find_unknown("The cat")
    assert (mixed.unknown, mixed.lost, mixed.missing) == (1, 1, "T") and mixed.tokens == 3


@pytest.mark.parametrize("unknown", ["drop", "error"])
def test_what_is_dropped_or_refused_is_unknown_too(lower, unknown):
    tokenizer = SentencePieceTokenizer(lower.files()["tokenizer.model"], unknown=unknown)
    assert tokenizer.find_unknown("THE cat").missing == "THE"
    assert CharTokenizer("abc ", unknown="drop").find_unknown("ab Cx") == (4, 2, 4, 2, "Cx")
    assert CharTokenizer("abc").find_unknown("a b") == (3, 1, 3, 1, " ")


def test_wordpiece():
    tokenizer = WordPieceTokenizer(b"[UNK]\na\n##b\nthe")
    assert tokenizer.find_unknown("the ab ") == (3, 0, 5, 0, "")
    assert tokenizer.find_unknown("THE ab") == (3, 1, 5, 3, "THE")
    assert tokenizer.find_unknown("aXb") == (1, 1, 3, 3, "X")
    assert tokenizer.find_unknown("ba") == (1, 1, 2, 2, "ba")  # its characters are known, but not in this order


def test_aggregate(lower):
    tokenizer = AggregateTokenizer({"en": lower, "x": CharTokenizer("abc ")})
    assert tokenizer.find_unknown("THE", "en").missing == "THE" and not tokenizer.find_unknown("cab", "x").missing
    found = count_unknown(tokenizer, [("THE", "en"), ("cab", "x"), ("a", "zz")])  # no tokenizer for zz: not counted
    assert (found.texts, found.texts_with) == (2, 1)


def test_shares_and_the_commonest_characters(lower):
    found = count_unknown(lower, [("HHE", None), ("the\u20dd cat", None), ("we", None), ("a\ud83d", None)])
    assert (found.texts, found.texts_with, found.lost, found.characters) == (3, 2, 4, 12)
    assert f"{4 / 12:.1%} of the characters are unknown to the tokenizer, in 2 of 3 texts" in str(found)
    assert str(found).endswith("; the commonest such characters: 'H' 2 times, 'E' once, '\u25cc\u20dd' (U+20DD) once")
    assert found.most == max(found.unknown / found.tokens, 4 / 12)


def test_a_script_that_is_not_the_tokenizers(lower):
    found = count_unknown(lower, [("привет мир", None), ("the cat", None)])
    assert found.missing.most_common(1) == [("р", 2)]
    # Whole words are single tokens: the share of the characters is the larger one.
    assert found.most == 9 / 15 > found.unknown / found.tokens


def test_half_of_a_surrogate_pair_is_an_error_of_the_text(lower):
    with pytest.raises(TokenizerError, match=r"half of a character, \\ud83d, at position 4"):
        lower.encode("the \ud83d")
