"""Tests the scores of sets with transcripts and translations."""

import importlib.util
import math
import sys
from collections import Counter

import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.evaluation.bleu import bleu, check_bleu
from jaxspeech.evaluation.evaluation import is_better
from jaxspeech.evaluation.translation import transcripts_and_translations
from jaxspeech.text.char import CharTokenizer

needs_sacrebleu = pytest.mark.skipif(
    importlib.util.find_spec("sacrebleu") is None, reason='sacrebleu comes with pip install -e ".[eval]"'
)
EVALUATION = transcripts_and_translations(
    CharTokenizer("ab "), translates=lambda fields: fields.get("target_lang", "en") != "en"
)
REFERENCES = ["the cat sat on the mat today", "he reads the book that she wrote", "so it is"]
FOUND = ["the cat sat on a mat", "he reads the book which she wrote", "so it is"]


def by_definition(references: list[str], found: list[str]) -> float:
    """BLEU of texts whose words are separated by spaces, from its equation."""
    logs, sizes = [], [sum(len(text.split()) for text in texts) for texts in (references, found)]
    for n in range(1, 5):
        matches = total = 0
        for pair in zip(references, found, strict=True):
            said, got = (Counter(zip(*(text.split()[i:] for i in range(n)), strict=False)) for text in pair)
            matches, total = matches + sum((said & got).values()), total + sum(got.values())
        logs.append(math.log(matches / total))
    return 100 * min(1.0, math.exp(1 - sizes[0] / sizes[1])) * math.exp(sum(logs) / 4)


@needs_sacrebleu
def test_bleu_is_that_of_its_definition_and_of_sacrebleu():
    import sacrebleu

    assert bleu(REFERENCES, FOUND) == pytest.approx(by_definition(REFERENCES, FOUND), abs=1e-9)
    assert bleu(REFERENCES, FOUND) == sacrebleu.corpus_bleu(FOUND, [REFERENCES]).score
    assert bleu(REFERENCES, REFERENCES) == pytest.approx(100.0)
    assert 0 < bleu(REFERENCES, FOUND) < bleu(FOUND, FOUND)


@needs_sacrebleu
def test_transcripts_have_a_word_error_rate_and_translations_a_bleu():
    transcripts = {0: {"text": "a a"}, 1: {"text": "b b", "target_lang": "en"}}
    translations = {i + 2: {"text": text, "target_lang": "eo"} for i, text in enumerate(REFERENCES)}
    found = {0: "a b", 1: "b b", **{i + 2: text for i, text in enumerate(FOUND)}}
    scores = EVALUATION.score(found, transcripts | translations)
    assert scores == {"wer": 0.25, "bleu": bleu(REFERENCES, FOUND) / 100} and list(scores) == ["wer", "bleu"]
    assert EVALUATION.show({"wer": 0.25, "bleu": 0.6126}) == "WER 25.00%, BLEU 61.3"
    assert EVALUATION.score({i: found[i] for i in transcripts}, transcripts) == {"wer": 0.25}
    assert EVALUATION.score({i: found[i] for i in translations}, translations) == {"bleu": scores["bleu"]}
    assert EVALUATION.score({5: "a"}, {5: {"target_lang": "eo"}}) == {}


def test_the_better_translation_is_chosen():
    low, high = ({"bleu": value} for value in (0.2, 0.3))
    assert is_better(EVALUATION.comparable(high), EVALUATION.comparable(low))
    assert not is_better(EVALUATION.comparable({"wer": 0.3, "bleu": 0.3}), EVALUATION.comparable({"wer": 0.2}))


def test_formats():
    assert EVALUATION.show({}) == "no WER (no reference has a word)"
    assert EVALUATION.show({"bleu": 0.07}) == "BLEU 7.0"
    assert EVALUATION.sample("b", {"text": "a"}) == "  said:  a\n  heard: b"
    assert EVALUATION.sample("b", {"text": "a", "target_lang": "eo"}) == "  translation: a\n  found:       b"


def test_without_sacrebleu_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(ConfigError, match=r'pip install "jaxspeech\[eval\]"') as error:
        check_bleu()
    assert "\n" not in str(error.value)
