"""Spelling keeps every word as written, with the tokens of the plain text."""

import pytest

from jaxspeech.errors import TokenizerError
from jaxspeech.text.aggregate import AggregateTokenizer
from jaxspeech.text.char import CharTokenizer
from jaxspeech.text.spelling import spell
from jaxspeech.text.wordpiece import WordPieceTokenizer
from tests.interop.random_model import CHARACTERS, SENTENCES, pieces_tokenizer

LOUD = CharTokenizer("ABCDEFGHIJKLMNOPQRSTUVWXYZ ")
SILENT = CharTokenizer("abcdefghijklmnopqrstuvwxyz", unknown="drop")
WORDPIECE = WordPieceTokenizer(
    "\n".join(["[UNK]", *"abcdefghijklmnopqrstuvwxyz", *("##" + c for c in "abcdefghijklmnopqrstuvwxyz'")]).encode()
)


@pytest.mark.parametrize("tokenizer", [CHARACTERS, pieces_tokenizer("bpe"), pieces_tokenizer("unigram"), WORDPIECE])
def test_a_plain_text_has_the_tokens_of_the_whole(tokenizer) -> None:
    text = SENTENCES[0]
    spelling = spell(text, tokenizer)
    assert list(spelling.ids) == tokenizer.encode(text)
    assert [word for word, _, _ in spelling.words] == text.split() and not spelling.unspelled
    assert list(spelling.words) == tokenizer.word_spans(spelling.ids)
    assert spelling.pieces == tuple(tokenizer.pieces[i] for i in spelling.ids)


@pytest.mark.parametrize("tokenizer", [CHARACTERS, LOUD, SILENT, pieces_tokenizer()])
def test_words_stay_as_written_and_are_spelled_as_the_tokenizer_can(tokenizer) -> None:
    text = "The QUICK — “brown”\n\nfox’s well-known café, 42 dogs!"
    spelling = spell(text, tokenizer)
    words = [word for word, _, _ in spelling.words]
    assert words == ["The", "QUICK —", "“brown”", "fox’s", "well-known", "café,", "42", "dogs!"]
    said = [tokenizer.decode([i for i in spelling.ids[a:b] if i < tokenizer.vocab_size]) for _, a, b in spelling.words]
    folded = ["".join(word.lower().split()).replace("'", "") for word in said]
    assert folded == ["the", "quick", "brown", "foxs", "wellknown", "cafe", "", "dogs"]
    assert spelling.lines == ((0, 3), (3, 8))
    assert spelling.unspelled == ("42",) and spelling.ids.count(tokenizer.vocab_size + 1) == 1
    at = spelling.words[6][1]
    assert spelling.pieces[at] == "42" and spelling.words[6][2] == at + 1
    if " " in tokenizer.pieces:
        assert tokenizer.decode(spelling.ids[:at]).lower().replace("'", "") == "the quick brown foxs well known cafe "


def test_punctuation_that_the_model_writes_is_aligned() -> None:
    tokenizer = CharTokenizer("abcdefghijklmnopqrstuvwxyz ,.-")
    assert tokenizer.decode(spell("a well-known - fox.", tokenizer).ids) == "a well-known - fox."
    assert [word for word, *_ in spell("- a fox", CHARACTERS).words] == ["- a", "fox"]
    assert [word for word, *_ in spell("100 %", CHARACTERS).words] == ["100", "%"]


@pytest.mark.parametrize("text", ["", " \n ", "— …"])
def test_a_text_without_words_has_no_tokens(text: str) -> None:
    assert spell(text, CHARACTERS) == ((), (), (), (), ())


def test_a_wrong_language_is_an_error() -> None:
    pieces = pieces_tokenizer()
    tokenizer = AggregateTokenizer({"en": pieces, "de": pieces})
    assert spell("the dog", tokenizer, language="de").ids[0] >= pieces.vocab_size
    with pytest.raises(TokenizerError, match="language None"):
        spell("the dog", tokenizer)
