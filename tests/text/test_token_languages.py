"""Languages of words and texts by the tokens of an aggregate tokenizer, whose tokenizers are trained together."""

import numpy as np
import pytest

from jaxspeech.errors import TokenizerError
from jaxspeech.evaluation.word_error_rate import word_error_rate
from jaxspeech.evaluation.word_languages import WordLanguages, compare_languages
from jaxspeech.inference.formats import to_jsonl
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.timed_tokens import TimedTokens
from jaxspeech.report.tables import by_language
from jaxspeech.report.utterance import scored
from jaxspeech.text.spelling import spell
from jaxspeech.text.token_languages import line_language, most_frequent, text_language, word_languages
from jaxspeech.text.train_languages import train_aggregate
from jaxspeech.text.words import token_words
from tests.interop.random_model import CHARACTERS

SAID = [("the cat sat on the mat", "en"), ("la kato sidas sur la mato", "eo"), ("the kato sat", ("en", "eo", "en"))]
ENGLISH, ESPERANTO = "en", "eo"


@pytest.fixture(scope="module")
def tokenizer():
    return train_aggregate(SAID, ["en", "eo"], type="bpe", vocab_size=24)


def test_each_language_has_its_own_tokens(tokenizer):
    assert tokenizer.languages == ("en", "eo") and tokenizer.vocab_size == 48
    mixed = tokenizer.encode("the kato sat", ["en", "eo", "en"])
    parts = [tokenizer.encode(*pair) for pair in (("the", "en"), ("kato", "eo"), ("sat", "en"))]
    assert mixed == [i for part in parts for i in part]
    assert tokenizer.decode(mixed) == "the kato sat"
    with pytest.raises(TokenizerError, match="'the kato' does not fit its \"lang\": it has 2 words, and 1 languages"):
        tokenizer.encode("the kato", ["en"])
    assert tokenizer.find_unknown("the kato qat", ["en", "eo", "en"]).missing == "q"


@pytest.mark.parametrize(
    ("languages", "said", "reason"),
    [
        (["en", "eo", "de"], SAID, "no text of the language 'de'"),
        (["en"], SAID, "the language 'eo' .* none of en"),
        (["en", "en"], SAID, "each must be named once"),
        (["en", "eo"], [*SAID, ("a b", ["en"])], "2 words, and 1 languages"),
    ],
)
def test_what_cannot_be_trained_is_one_line(languages, said, reason):
    with pytest.raises(TokenizerError, match=reason):
        train_aggregate(said, languages, type="bpe", vocab_size=24)


def test_most_frequent_is_the_first_of_equals():
    assert most_frequent(["eo", "en", None, "en", "eo"]) == "eo"
    assert most_frequent([None]) is None


def test_words_segments_and_text_have_the_language_of_most(tokenizer):
    ids = tokenizer.encode("the cat sat sidas", ["en", "en", "en", "eo"]) + tokenizer.encode("la mato", "eo")
    # A word whose first piece is of one language, and whose other pieces are of the other.
    head, tail = tokenizer.encode("mat", "en"), tokenizer.encode("kato", "eo")[1:]
    ids += [head[0], *tail]
    spans = token_words(tokenizer, ids)
    languages = word_languages(tokenizer, ids, spans)
    assert languages[:6] == ["en", "en", "en", "eo", "eo", "eo"]
    first, stop = spans[-1][1:]
    own = [tokenizer.language_of(i) for i in ids[int(first) : int(stop)]]
    assert languages[-1] == max(dict.fromkeys(own), key=own.count)

    timed = TimedTokens(tokenizer, frame_seconds=0.1)
    places = np.arange(len(ids), dtype=float)
    sure = np.ones(len(ids))
    for count in (3, len(ids)):  # as tokens arrive
        timed.update(ids[:count], places[:count], places[:count] + 1, sure[:count], duration=count / 10)
    assert [word.language for word in timed.words] == languages
    assert [char.language for char in timed.chars] == [tokenizer.language_of(i) for i in ids]
    assert [segment.language for segment in timed.segments] == [most_frequent(languages)]
    found = Hypothesis().with_tokens(tokenizer, ids, sure).with_times(timed)
    assert found.language == text_language(tokenizer, ids) is not None
    line = to_jsonl(found, {})
    assert '"language": "eo"' in line and '"pred_source_lang"' in line
    assert Hypothesis().with_tokens(CHARACTERS, [1, 2], sure[:2]).language is None


def test_a_prompted_text_has_the_language_of_its_prompt(tokenizer):
    prompted = train_aggregate(SAID, ["en", "eo"], type="bpe", vocab_size=26, special=["<|en|>", "<|eo|>"])
    ids = prompted.encode("la kato", "eo")
    assert Hypothesis().with_tokens(prompted, ids, [1.0] * len(ids)).language is None
    assert word_languages(prompted, ids, token_words(prompted, ids)) == [None, None]


def test_a_code_switched_text_is_spelled_by_word(tokenizer):
    spelling = spell("the kato\nsat", tokenizer, language=["en", "eo", "en"])
    assert list(spelling.ids) == tokenizer.encode("the kato sat", ["en", "eo", "en"])
    assert word_languages(tokenizer, spelling.ids, spelling.words) == ["en", "eo", "en"]
    with pytest.raises(TokenizerError, match="3 words, and 1 languages"):
        spell("the kato sat", tokenizer, language=["en"])


def test_error_rates_of_languages(tokenizer):
    evaluation = word_error_rate(tokenizer)
    fields = [{"text": text, "lang": lang} for text, lang in SAID]
    heard = {0: "the cat sat on the hat", 1: "la kato sidas sur la mato", 2: "the gato sat"}
    scores = evaluation.score(heard, dict(enumerate(fields)))
    assert scores == pytest.approx({"wer": 2 / 15, "wer_en": 1 / 6, "wer_eo": 0.0, "wer_several": 1 / 3})
    assert evaluation.show(scores) == "WER 13.33% (en 16.67%, eo 0.00%, several 33.33%)"
    assert evaluation.score({0: heard[0]}, dict(enumerate(fields))) == pytest.approx({"wer": 1 / 6})
    assert [line_language(lang) for lang in ("en", ["en", "en"], ["en", "eo"], None)] == ["en", "en", "several", ""]
    said = [
        scored(name="x", speaker="", seconds=1.0, said=text, heard=heard[i], language=line_language(lang))
        for i, (text, lang) in enumerate(SAID)
    ]
    assert all(f"<th>{name}</th>" in by_language(said) for name in ("en", "eo", "several"))
    assert not by_language(said[:1])


@pytest.mark.parametrize(
    ("said", "spoken", "heard", "languages", "expected"),
    [
        ("the kato sat", ["en", "eo", "en"], "the kato sat", ["en", "eo", "eo"], (2, 3)),
        ("the kato sat", ["en", "eo", "en"], "the big kato", ["en", "en", "eo"], (2, 2)),
        ("the cat sat", "en", "a cat sat", ["eo", "en", None], (1, 2)),
        ("the cat", None, "the cat", ["en", "en"], (0, 0)),
        ("the cat", ["en"], "the cat", ["en", "en"], (0, 0)),
        ("the cat", "en", "", [], (0, 0)),
    ],
)
def test_languages_of_words_that_are_right(said, spoken, heard, languages, expected):
    assert compare_languages(said, spoken, heard.split(), languages) == expected
    assert WordLanguages(*expected) + WordLanguages(1, 2) == (expected[0] + 1, expected[1] + 2)
