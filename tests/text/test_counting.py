"""Token counts equal the lengths of encoded texts."""

import io

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxspeech.errors import TokenizerError
from jaxspeech.text import counting
from jaxspeech.text.char import CharTokenizer
from jaxspeech.text.counting import TokenCounter, spells_words_apart
from jaxspeech.text.sentencepiece import SentencePieceTokenizer
from jaxspeech.text.train import train_tokenizer

TEXTS = ["the cat sat on the mat", "a cat and a dog", "dogs do not sit on mats", "the end of the cat and the dog"] * 4


@pytest.fixture(scope="module", params=["bpe", "unigram"])
def tokenizer(request):
    return train_tokenizer(TEXTS, type=request.param, vocab_size={"bpe": 30, "unigram": 22}[request.param])


@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet="catdoge  sn\t\u3000\u200bXé日\u2581", max_size=30))
def test_a_count_is_the_number_of_encoded_tokens(tokenizer, text):
    assert spells_words_apart(tokenizer)
    assert TokenCounter(tokenizer)(text) == len(tokenizer.encode(text))
    dropping = SentencePieceTokenizer(tokenizer.files()["tokenizer.model"], unknown="drop")
    assert TokenCounter(dropping)(text) == len(dropping.encode(text))


def test_tokens_that_join_words_are_counted_text_by_text():
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 5),
        model_writer=model,
        vocab_size=60,
        model_type="bpe",
        split_by_whitespace=False,
        minloglevel=3,
    )
    joining = SentencePieceTokenizer(model.getvalue())
    assert any("\u2581" in piece[1:] for piece in joining.pieces) and not spells_words_apart(joining)
    count = TokenCounter(joining)
    assert [count(text) for text in TEXTS] == [len(joining.encode(text)) for text in TEXTS]


def test_the_cache_is_cleared_when_there_are_too_many_words(tokenizer, monkeypatch):
    monkeypatch.setattr(counting, "MOST_WORDS", 3)
    count = TokenCounter(tokenizer)
    assert [count(text) for text in TEXTS] == [len(tokenizer.encode(text)) for text in TEXTS]


def test_other_tokenizers_encode_every_text():
    count = TokenCounter(CharTokenizer("abc "))
    assert count("a bc") == 4
    with pytest.raises(TokenizerError, match="'x'"):
        count("ax")
