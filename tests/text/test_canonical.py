"""Canonically equivalent texts are one text in tokenizers and scores; old tokenizers encode composed texts as ever."""

import io
import unicodedata

import numpy as np
import pytest
import sentencepiece

from jaxspeech.errors import TokenizerError
from jaxspeech.text.char import CharTokenizer
from jaxspeech.text.counting import TokenCounter
from jaxspeech.text.error_rate import char_errors, word_errors
from jaxspeech.text.sentencepiece import SentencePieceTokenizer
from jaxspeech.text.tokenizer import Tokenizer, build_tokenizer
from jaxspeech.text.train import train_tokenizer
from jaxspeech.text.wordpiece import WordPieceTokenizer

SAMPLES = {
    "French": "le café est fermé à Noël",
    "Vietnamese": "tiếng Việt rất dễ nghe",
    "Korean": "오늘 날씨가 정말 좋네요",
    "Greek": "ο ήλιος άργησε σήμερα",
    "Hindi": "हिन्दी क़लम में ज़्यादा",
    "Persian": "می\u200cخواهم کتاب\u200cها را",
    "Malayalam": "അവന\u200d വന്നു",
    "Arabic": "هل أنت\u200f بخير",
    "full width": "ＡＢＣ　１２３",
    "ellipsis": "wait… ½ of the ﬁles ﬂew ㎏",
    "invisible": "\ufeffsoft\u00adhy\u00adphen and\u00a0a\u202fspace \u200b here\u2060 ❤\ufe0f \u200d",
}
FORMS = ("NFC", "NFD")


def smallest(texts: list[str], kind: str) -> Tokenizer:
    """The tokenizer with the smallest vocabulary that these texts allow."""
    if kind == "char":
        return train_tokenizer(texts, type="char")
    for size in range(8, 200):
        try:
            return train_tokenizer(texts, type="bpe", vocab_size=size)
        except TokenizerError:
            continue
    raise AssertionError(texts)


@pytest.mark.parametrize("kind", ["bpe", "char"])
@pytest.mark.parametrize("language", SAMPLES)
def test_a_model_without_mistakes_has_none(language: str, kind: str) -> None:
    tokenizers = [smallest([unicodedata.normalize(form, SAMPLES[language])] * 5, kind) for form in FORMS]
    assert tokenizers[0].pieces == tokenizers[1].pieces
    for form in FORMS:
        said = unicodedata.normalize(form, SAMPLES[language])
        heard = tokenizers[0].decode(tokenizers[0].encode(said))
        assert word_errors([said], [heard]).errors == char_errors([said], [heard]).errors == 0
        assert tokenizers[0].encode(said) == tokenizers[1].encode(unicodedata.normalize("NFC", said))
        rebuilt = build_tokenizer(tokenizers[0].config(), tokenizers[0].files())
        assert rebuilt.encode(said) == tokenizers[0].encode(said)
        assert TokenCounter(rebuilt)(said) == len(rebuilt.encode(said))


def test_joiners_are_kept_and_are_errors_where_they_are_missing() -> None:
    for language in ("Persian", "Malayalam"):
        text = SAMPLES[language]
        for kind in ("bpe", "char"):
            tokenizer = smallest([text] * 5, kind)
            assert tokenizer.decode(tokenizer.encode(text)) == text
        without = text.replace("\u200c", "").replace("\u200d", "")
        assert word_errors([text], [without]).errors and char_errors([text], [without]).errors


def test_zero_width_characters_are_no_words() -> None:
    for char in "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad\ufe0f\u034f\u061c\u202a\u2069\u3164\U000e0101\x00":
        assert word_errors(["good morning"], [f"good {char} morning {char}"]) == (0, 0, 0, 2)
        assert char_errors(["good morning"], [f"good {char} morning {char}"]).errors == 0
        assert word_errors([char], [""]) == (0, 0, 0, 0)
    assert word_errors(["good morning"], ["goo\u00add\u200b morning\ufeff"]).errors == 0
    assert word_errors(["a\u00a0b\u3000c"], ["a b c"]).errors == 0


def test_spaced_scripts_score_as_before() -> None:
    rng = np.random.default_rng(0)
    letters = ["a", "b", "é", "ш", "ß", "'", "-", ",", "."]
    for _ in range(200):
        said, heard = ([" ".join("".join(rng.choice(letters, 3)) for _ in range(rng.integers(1, 6)))] for _ in range(2))
        counts = word_errors(said, heard)
        assert counts.length == len(said[0].split())
        assert counts.errors == 0 or said != heard


ALPHABETS = {
    "composed": "abceé ",
    "decomposed": ["a", "b", "c", "e", "\u0301", " "],
    "both": ["e", "é", "\u0301", "c", "a", "b", " "],
    "by one step": ["ê", "\u0301", "a", "b", "c", " "],
    "singleton": ["\uf900", "a", "\u212b"],
    "jamo": [*"\u1112\u1161\u11ab", " "],
}


@pytest.mark.parametrize(
    ("alphabet", "text"),
    [
        ("composed", "bé cé"),
        ("decomposed", "bé cé"),
        ("both", "bé ce"),
        ("by one step", "bế ca"),
        ("singleton", "a\uf900Å"),
        ("jamo", "한 하"),
    ],
)
def test_an_alphabet_of_any_form_takes_texts_of_any_form(alphabet: str, text: str) -> None:
    tokenizer = CharTokenizer(ALPHABETS[alphabet])
    found = [tokenizer.encode(unicodedata.normalize(form, text)) for form in FORMS]
    assert found[0] == found[1] == tokenizer.encode(text)
    said = tokenizer.decode(found[0])
    assert unicodedata.normalize("NFC", said) == unicodedata.normalize("NFC", text)
    with pytest.raises(TokenizerError, match="character 'ö'"):
        tokenizer.encode("o\u0308")


def test_a_model_of_decomposed_pieces_keeps_its_encoding() -> None:
    text = unicodedata.normalize("NFD", "한글 날 하나")
    file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([text] * 5),
        model_writer=file,
        model_type="char",
        vocab_size=40,
        hard_vocab_limit=False,
        normalization_rule_name="identity",
        character_coverage=1.0,
        bos_id=-1,
        eos_id=-1,
        minloglevel=3,
    )
    tokenizer = SentencePieceTokenizer(file.getvalue())
    raw = sentencepiece.SentencePieceProcessor(model_proto=file.getvalue())
    assert tokenizer.encode(text) == raw.encode(text) and raw.unk_id() not in raw.encode(text)
    composed = unicodedata.normalize("NFC", text)
    assert tokenizer.encode(composed) == raw.encode(composed)  # as it was


def test_composed_texts_are_encoded_as_by_sentencepiece_itself() -> None:
    model = smallest(["le café est fermé, ﬁn…"] * 5, "bpe").files()["tokenizer.model"]
    raw = sentencepiece.SentencePieceProcessor(model_proto=model)
    tokenizer = SentencePieceTokenizer(model)
    assert tokenizer.config() == {"type": "sentencepiece", "unknown": "unk"}
    for text in ("café  ﬁn", "soft\u00adhyphen", "…\u200c", " été 你好 ", "\ufeffcafé"):
        assert tokenizer.encode(text) == raw.encode(text)


def test_word_pieces() -> None:
    for vocab in ("[UNK]\ncafé\nfin", unicodedata.normalize("NFD", "[UNK]\ncafé\nfin")):
        tokenizer = WordPieceTokenizer(vocab.encode())
        assert tokenizer.encode(unicodedata.normalize("NFD", "café fin")) == [1, 2]
