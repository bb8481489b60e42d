"""All scores of a set of transcripts: error rates of words and characters, punctuation, capitals, confidences, BLEU.

Words and characters are counted in normalised texts, marks and capitals in texts as they are.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jaxspeech.evaluation.bleu import bleu
from jaxspeech.evaluation.bootstrap import SAMPLES, SEED, Interval, interval
from jaxspeech.evaluation.capitalization import capitalization_errors
from jaxspeech.evaluation.chrf import chrf
from jaxspeech.evaluation.confidence import ConfidenceScores, Reliability, confidence_scores, reliability
from jaxspeech.evaluation.judged_words import SureWord, judged
from jaxspeech.evaluation.punctuation import MarkCounts, punctuation_errors, total
from jaxspeech.text import error_rate
from jaxspeech.text.error_rate import ErrorCounts, each_char_errors, each_word_errors
from jaxspeech.text.normalizers import Normalizer


class Transcript(NamedTuple):
    """A text that was recognised, or translated, and its reference.

    Attributes:
      said: the reference.
      heard: the transcript.
      words: its words with their confidences; none if they are not known.
    """

    said: str
    heard: str
    words: Sequence[SureWord] = ()


class TranscriptScores(NamedTuple):
    """The scores of a set.

    Attributes:
      normalizer: of words and characters.
      said, heard: the texts that were compared, normalised.
      words, characters: errors of each utterance.
      interval: that of the word error rate, by bootstrap over the utterances; None if no reference has a word.
      punctuation: errors of each mark; empty if no reference has one.
      capitalization: errors of words with capitals; None if no reference has one, or if they have nothing else.
      confidence, bins: of recognised words; None and empty if they have no confidences.
      bleu, chrf: 0 to 100; None if not asked for.
    """

    normalizer: Normalizer
    said: Sequence[str]
    heard: Sequence[str]
    words: Sequence[ErrorCounts]
    characters: Sequence[ErrorCounts]
    interval: Interval | None
    punctuation: Mapping[str, MarkCounts]
    capitalization: MarkCounts | None
    confidence: ConfidenceScores | None
    bins: Sequence[Reliability]
    bleu: float | None = None
    chrf: float | None = None

    @property
    def word_errors(self) -> ErrorCounts:
        return error_rate.total(self.words)

    @property
    def char_errors(self) -> ErrorCounts:
        return error_rate.total(self.characters)

    def as_json(self) -> dict[str, Any]:
        """The scores of the set; rates are shares, and null where they are infinite or nothing was counted."""
        words, characters = self.word_errors, self.char_errors
        values: dict[str, Any] = {
            "references": len(self.said),
            "normalizer": {"name": self.normalizer.name, "package": self.normalizer.package or None},
            "wer": finite(words.rate) if words.length else None,
            "words": _edits(words),
            "wer_interval": None
            if self.interval is None
            else {**self.interval._asdict(), "samples": SAMPLES, "seed": SEED},
            "cer": finite(characters.rate) if characters.length else None,
            "characters": _edits(characters),
        }
        if self.punctuation:
            marks = {mark: counts._asdict() for mark, counts in self.punctuation.items()}
            values["punctuation"] = {"rate": total(self.punctuation).rate, "marks": marks}
        if self.capitalization is not None:
            values["capitalization"] = {"rate": self.capitalization.rate, **self.capitalization._asdict()}
        if self.confidence is not None:
            values["confidence"] = {**self.confidence._asdict(), "bins": [bin._asdict() for bin in self.bins]}
        if self.bleu is not None:
            values |= {"bleu": self.bleu, "chrf": self.chrf}
        return values


def transcript_scores(
    transcripts: Sequence[Transcript], normalizer: Normalizer, *, with_bleu: bool = False
) -> TranscriptScores:
    """Scores a set.

    Raises:
      ConfigError: BLEU is wanted, and sacrebleu is not installed.
    """
    plain, found = [x.said for x in transcripts], [x.heard for x in transcripts]
    said, heard = ([normalizer.apply(text) for text in texts] for texts in (plain, found))
    words = each_word_errors(said, heard)
    marks = punctuation_errors(plain, found)
    capitals = capitalization_errors(plain, found)
    cased = _in_reference(capitals) and any(letter.islower() for text in plain for letter in text)
    sure = [x for x in transcripts if x.words]
    right, confidence = judged([x.said for x in sure], [x.words for x in sure], by_word=normalizer.by_word)
    return TranscriptScores(
        normalizer,
        said,
        heard,
        words,
        each_char_errors(said, heard),
        interval(words),
        marks if _in_reference(total(marks)) else {},
        capitals if cased else None,
        confidence_scores(right, confidence) if len(right) else None,
        reliability(right, confidence) if len(right) else (),
        bleu(plain, found) if with_bleu else None,
        chrf(plain, found) if with_bleu else None,
    )


def finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None


def _edits(counts: ErrorCounts) -> dict[str, int]:
    return {**counts._asdict(), "errors": counts.errors}


def _in_reference(counts: MarkCounts) -> bool:
    """Whether a reference has what is counted; if none has, the references are without punctuation or capitals."""
    return counts.correct + counts.substitutions + counts.deletions > 0
