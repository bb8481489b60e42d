"""The scores of sets of transcripts: what a perfect model gets, marks, capitals, and the JSON."""

import json
import unicodedata

import pytest

from jaxspeech.evaluation.capitalization import capitalization_errors
from jaxspeech.evaluation.punctuation import MarkCounts, punctuation_errors, tokens, total
from jaxspeech.evaluation.transcripts import Transcript, transcript_scores
from jaxspeech.text.normalizers import NAMES, find_normalizer

TEXTS = ["le café est fermé", "Tiếng Việt rất hay", "한국어를 배웁니다", "हिन्दी में लिखो", "ﬁne … ½"]


@pytest.mark.parametrize("name", NAMES)
def test_a_perfect_model_has_no_errors_whatever_the_form(name):
    if name.startswith(("whisper", "leaderboard")):
        pytest.importorskip("whisper_normalizer", reason='whisper-normalizer comes with pip install -e ".[eval]"')
    decomposed = [unicodedata.normalize("NFD", text) for text in TEXTS]
    hidden = ["\u200b" + text.replace(" ", "\u200b \ufeff ") + " \u200b" for text in TEXTS]
    pairs = zip(decomposed + hidden, TEXTS * 2, strict=True)
    scores = transcript_scores([Transcript(said, heard) for said, heard in pairs], find_normalizer(name))
    assert scores.word_errors.errors == scores.char_errors.errors == 0 and scores.word_errors.length > 0
    assert scores.interval == (0.0, 0.0)


def test_marks_are_aligned_by_the_words_around_them():
    found = punctuation_errors(["Yes, I do. 3.5 percent", "No marks"], ["yes I do! 3,5 percent.", "none at all"])
    assert found == {"!": MarkCounts(), ",": MarkCounts(0, 0, 1, 0), ".": MarkCounts(0, 1, 0, 1)} or found == {
        ",": MarkCounts(0, 0, 1, 0),
        ".": MarkCounts(0, 1, 0, 1),
    }
    assert total(found).rate == 1.0 and total({}).rate is None
    assert tokens("It's 3.5, (co-operate) “so”。") == ["it's", "3.5", ",", "co", "operate", "so", "。"]
    assert total(punctuation_errors(["今天，好。"], ["今天，好。"])) == MarkCounts(2, 0, 0, 0)


def test_capitals_of_right_words():
    counts = capitalization_errors(["NASA met Bob in Rome, he said"], ["Nasa met bob in Rome. He laughed"])
    assert counts == MarkCounts(correct=1, substitutions=1, deletions=1, insertions=1) and counts.rate == 0.75


def test_what_references_lack_is_not_scored():
    plain = transcript_scores([Transcript("one two", "One, two.")], find_normalizer("none"))
    assert not plain.punctuation and plain.capitalization is None and plain.confidence is None
    shouted = transcript_scores([Transcript("ONE TWO", "one two")], find_normalizer("basic"))
    assert shouted.capitalization is None and shouted.word_errors.errors == 0


def test_json_has_no_infinity():
    for pairs in ([], [Transcript("", "noise")], [Transcript("a", "a", [("a", 0.9)])]):
        values = transcript_scores(pairs, find_normalizer("none")).as_json()
        assert "Infinity" not in json.dumps(values) and "NaN" not in json.dumps(values)
        assert (values["wer"] is None) == (not pairs or not pairs[0].said)
