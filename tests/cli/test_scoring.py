"""A manifest with transcripts and translations gets the score of each kind."""

import sys
from argparse import Namespace

import pytest

from jaxspeech.cli.fusion import OPTIONS
from jaxspeech.cli.scoring import scoring_of
from jaxspeech.errors import ConfigError
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.inputs import Recording
from jaxspeech.pipelines.recognizer import Recognizer
from jaxspeech.text.char import CharTokenizer
from jaxspeech.text.prompt import PROMPT, PromptFormat


class Prompted(Recognizer):
    """A recogniser with prompts, which recognises nothing."""

    def __init__(self) -> None:
        self.assets = {PROMPT: PromptFormat("canary2")}
        self.tokenizer = CharTokenizer("ab ")


def recording(text: str, target: str) -> Recording:
    return Recording("a.wav", text=text, fields={"text": text, "source_lang": "en", "target_lang": target})


FLAGS = Namespace(
    **{"long": "auto", "batch_size": 1, "channel": "mean", "normalize": "none", "bleu": False, "confidence": False},
    **dict.fromkeys(("report", "recognizer", "target_lang", *OPTIONS)),
)
SCORING = scoring_of(Prompted(), FLAGS)
PART = [recording("a b", "en"), recording("ni bezonas panon kaj lakton", "eo"), recording("c d", "en")]
FOUND = ["a c", "ni bezonas panon kaj lakton", "c d"]


def test_transcripts_have_error_rates_and_translations_a_bleu():
    pytest.importorskip("sacrebleu", reason='sacrebleu comes with pip install -e ".[eval]"')
    kept = [SCORING.keep(one, Hypothesis(text)) for one, text in zip(PART, FOUND, strict=True)]
    assert SCORING.problem(PART) == ""
    found = SCORING.summarize(kept)
    rates, edits = found.text.split("\n  ")
    assert rates == (
        "WER 25.00% (1 error in 4 words of 2 references), CER 16.67%, BLEU 100.0, chrF 100.0 (1 translation)"
    )
    assert edits.startswith("1 substituted, 0 deleted, 0 inserted; 95% interval of the WER 0.00% to 50.00%")
    assert found.values["wer"] == 0.25 and found.values["translations"]["references"] == 1
    assert SCORING.summarize(kept[1:2]).text == "BLEU 100.0, chrF 100.0 (1 translation)"
    assert SCORING.summarize([]) is None


def test_what_is_missing_is_one_line(monkeypatch):
    assert SCORING.problem([Recording("a.wav")]) == 'no line has a "text" to compare with'
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    assert SCORING.problem(PART[:1]) == ""
    with pytest.raises(ConfigError, match=r'pip install "jaxspeech\[eval\]"'):
        SCORING.problem(PART)
