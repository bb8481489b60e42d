"""Compares the scores of transcripts, punctuation and confidences, and normalised texts, with NeMo's.

Where they differ: without reference words NeMo's rate is infinite, ours 0 if nothing was recognised; and NeMo counts
each of several spaces as a character.
"""

import importlib.util
import math

import numpy as np
import pytest

from jaxspeech.evaluation.bleu import bleu
from jaxspeech.evaluation.chrf import chrf
from jaxspeech.evaluation.confidence import confidence_scores, nemo_ece
from jaxspeech.evaluation.punctuation import punctuation_errors, total
from jaxspeech.text.error_rate import char_errors, each_word_errors, word_errors
from jaxspeech.text.normalizers import find_normalizer
from tests.parity.test_diarization import texts_of


@pytest.fixture
def nemo(request):
    return texts_of("eval_metrics", request)


def test_word_and_character_error_rates(nemo):
    refs, hyps = nemo["refs"], nemo["hyps"]
    words = word_errors(refs, hyps)
    rates = [
        words.rate,
        words.length,
        *(n / words.length for n in (words.insertions, words.deletions, words.substitutions)),
    ]
    assert rates == pytest.approx(nemo["wer_detail"]) and words.rate == pytest.approx(nemo["wer"])
    assert [x.rate for x in each_word_errors(refs, hyps)] == pytest.approx(nemo["wer_per_utt"][0])
    characters = char_errors(refs, hyps)
    doubled = sum(len(text) - len(" ".join(text.split())) for text in refs)
    assert doubled == 1 and (characters.errors + 1) / (characters.length + 1) == pytest.approx(nemo["cer"])
    assert math.isinf(nemo["wer_empty"][0]) and word_errors([""], [""]).rate == 0.0


def test_punctuation_error_rate(nemo):
    theirs = nemo["punctuation"]
    found = punctuation_errors(theirs["refs"], theirs["hyps"], marks="".join(theirs["table"]))
    counts = total(found)
    marks = counts.errors + counts.correct
    assert counts.rate == pytest.approx(theirs["per"])
    for kind in ("correct", "deletions", "insertions", "substitutions"):
        assert getattr(counts, kind) / marks == pytest.approx(theirs[kind])
    for mark, row in theirs["table"].items():
        own = found[mark]
        parts = (own.correct, own.deletions, own.insertions, own.substitutions)
        assert [part / (own.errors + own.correct) for part in parts] == pytest.approx(list(row.values()))


def test_confidences(nemo):
    theirs = nemo["confidence"]
    right, sure = np.array(theirs["y"]), np.array(theirs["score"])
    found = confidence_scores(right, sure)
    for name in ("auc_roc", "auc_pr", "auc_nt", "nce"):
        assert getattr(found, name) == pytest.approx(theirs[name], abs=1e-12)
    assert [found.auc_yc, found.yc_std, found.yc_max] == pytest.approx(theirs["auc_yc"], abs=1e-12)
    assert found.nemo_ece == pytest.approx(theirs["ece"], abs=1e-12)
    assert nemo_ece(right, sure, bins=10) == pytest.approx(theirs["ece10"], abs=1e-12)


@pytest.mark.skipif(importlib.util.find_spec("sacrebleu") is None, reason="needs sacrebleu")
def test_translations(nemo):
    theirs = nemo["bleu"]
    assert bleu(theirs["refs"], theirs["hyps"]) == pytest.approx(theirs["sacrebleu_13a"])
    assert bleu(theirs["refs"], theirs["hyps"]) / 100 == pytest.approx(theirs["13a_lower0_smooth0"], abs=1e-6)
    assert chrf(theirs["refs"], theirs["hyps"]) == pytest.approx(theirs["sacrebleu_chrf"])


@pytest.mark.skipif(importlib.util.find_spec("whisper_normalizer") is None, reason="needs whisper-normalizer")
@pytest.mark.parametrize(("name", "key"), [("whisper", "english"), ("whisper_basic", "basic")])
def test_whispers_normalisation(nemo, name, key):
    apply = find_normalizer(name).apply
    assert [apply(x["text"]) for x in nemo["whisper_normalizer"]] == [x[key] for x in nemo["whisper_normalizer"]]
