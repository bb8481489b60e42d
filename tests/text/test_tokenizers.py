"""Tokenizers: encoding and decoding, word spans, unknown characters, and files."""

import numpy as np
import pytest

from jaxspeech.errors import TokenizerError
from jaxspeech.text.aggregate import AggregateTokenizer
from jaxspeech.text.char import CharTokenizer
from jaxspeech.text.sentencepiece import SentencePieceTokenizer
from jaxspeech.text.tokenizer import build_tokenizer, read_tokenizer, write_tokenizer
from jaxspeech.text.train import train_tokenizer
from jaxspeech.text.wordpiece import WordPieceTokenizer
from tests.text import byte_pairs

TEXTS = ["the cat sat on the mat", "a dog ran to the cat", "hello world", "it's the dog's mat"] * 5


WORD_PIECES = "[PAD] [UNK] the cat sat on mat a dog ran to hello wo ##rld it s ' ##at".replace(" ", "\n") + "\n"


def in_two_languages():
    return AggregateTokenizer(
        {n: train_tokenizer(TEXTS, type="bpe", vocab_size=v) for n, v in (("en", 40), ("es", 30))}
    )


KINDS = {
    "bpe": lambda: train_tokenizer(TEXTS, type="bpe", vocab_size=40),
    "unigram": lambda: train_tokenizer(TEXTS, type="unigram", vocab_size=24),
    "char": lambda: train_tokenizer(TEXTS, type="char", vocab_size=0),
    "wordpiece": lambda: WordPieceTokenizer(WORD_PIECES.encode()),
    "aggregate": in_two_languages,
    "byte_pair": byte_pairs.tokenizer,
}


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request):
    return KINDS[request.param]()


def test_decoding_inverts_encoding(tokenizer):
    for text in TEXTS:
        ids = tokenizer.encode(text, "es")
        back = text.replace("'", " ' ") if isinstance(tokenizer, WordPieceTokenizer) else text
        assert tokenizer.decode(ids) == back
        assert tokenizer.decode(np.array(ids)) == back
        assert max(ids) < tokenizer.vocab_size == len(tokenizer.pieces)
    assert tokenizer.encode("", "es") == [] and tokenizer.decode([]) == "" and tokenizer.word_spans([]) == []


def test_word_spans_cover_the_words_of_any_ids(tokenizer):
    rng = np.random.default_rng(0)
    for _ in range(200):
        ids = rng.integers(0, tokenizer.vocab_size, size=rng.integers(1, 12)).tolist()
        spans = tokenizer.word_spans(ids)
        assert [word for word, _, _ in spans] == tokenizer.decode(ids).split()
        bounds = [bound for _, first, stop in spans for bound in (first, stop)]
        assert bounds == sorted(bounds) and all(first < stop <= len(ids) for _, first, stop in spans)
        for word, first, stop in spans:
            assert tokenizer.decode(ids[first:stop]).strip() == word


def test_config_and_files_rebuild_it(tokenizer, tmp_path):
    rebuilt = build_tokenizer(tokenizer.config(), tokenizer.files())
    write_tokenizer(tmp_path / "folder", tokenizer)
    for again in (rebuilt, read_tokenizer(tmp_path / "folder")):
        assert again.pieces == tokenizer.pieces and again.config() == tokenizer.config()
        assert again.encode(TEXTS[0], "es") == tokenizer.encode(TEXTS[0], "es")


def test_unknown_characters():
    characters = CharTokenizer(" abc")
    with pytest.raises(TokenizerError, match="'é' in 'ab é'"):
        characters.encode("ab é")
    assert CharTokenizer(" abc", unknown="drop").encode("ab é") == [1, 2, 0]
    model = train_tokenizer(TEXTS, type="bpe", vocab_size=27).files()["tokenizer.model"]
    known = SentencePieceTokenizer(model).encode("the cat")
    assert SentencePieceTokenizer(model).encode("the catÜ") == [*known, 0]
    assert SentencePieceTokenizer(model, unknown="drop").encode("the catÜ") == known
    with pytest.raises(TokenizerError, match="Ü"):
        SentencePieceTokenizer(model, unknown="error").encode("the catÜ")


@pytest.mark.parametrize(
    "config, files, message",
    [
        ({"type": "bert"}, {}, "bert"),
        ({}, {}, "None"),
        ({"type": "sentencepiece"}, {}, "tokenizer.model"),
        ({"type": "sentencepiece"}, {"tokenizer.model": b"junk"}, "not a SentencePiece model"),
        ({"type": "char", "characters": "ab", "unknwon": "drop"}, {}, "unknwon"),
        ({"type": "char", "characters": "aab"}, {}, "distinct"),
        ({"type": "char", "characters": "ab", "unknown": "keep"}, {}, "keep"),
    ],
)
def test_bad_configs_are_one_line(config, files, message):
    with pytest.raises(TokenizerError, match=message) as caught:
        build_tokenizer(config, files)
    assert "\n" not in str(caught.value)


def test_a_missing_tokenizer_is_one_line(tmp_path):
    with pytest.raises(TokenizerError, match="no tokenizer at"):
        read_tokenizer(tmp_path / "nowhere")


def test_word_pieces_are_the_longest_that_fit():
    tokenizer = WordPieceTokenizer(WORD_PIECES.encode())
    spelt = [tokenizer.pieces[i] for i in tokenizer.encode("the world's  matcat\tcatat", None)]
    assert spelt == ["the", "wo", "##rld", "'", "s", "[UNK]", "cat", "##at"]
    assert [tokenizer.pieces[i] for i in tokenizer.encode("a,\u200bdog\u732b")] == ["a", "[UNK]", "dog", "[UNK]"]
    assert tokenizer.decode([0, 2, 1, 12, 13]) == "the world"
    with_marks = WordPieceTokenizer(b"[UNK]\na\n.\n,\n-")
    assert with_marks.decode(with_marks.encode("a, a-a.")) == "a, a - a."
    with pytest.raises(TokenizerError, match="distinct piece per line"):
        WordPieceTokenizer(b"a\na\n[UNK]\n")


def test_languages_follow_one_another():
    tokenizer = in_two_languages()
    assert tokenizer.vocab_size == 70 and len(tokenizer.pieces) == 70 and tokenizer.languages == ("en", "es")
    one = train_tokenizer(TEXTS, type="bpe", vocab_size=30).encode("the cat")
    assert tokenizer.encode("the cat", "es") == [i + 40 for i in one]
    assert [tokenizer.language_of(i) for i in (0, 39, 40, 69)] == ["en", "en", "es", "es"]
    for language in (None, "ess"):
        with pytest.raises(TokenizerError, match="for en, es"):
            tokenizer.encode("the cat", language)
