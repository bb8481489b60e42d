"""Computes word and character error rates: (substitutions + insertions + deletions) / reference length.

The alignment has the least number of edits (jiwer, rapidfuzz). Rates are over a whole set: the errors of all utterances
divided by the words of all references. An empty reference adds insertions but no words.

Texts that differ only in their Unicode form (NFKC), in invisible characters or in white space are equal. Words are
separated by white space in every script; for scripts without spaces, the character error rate is the one to read.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jiwer

from jaxspeech.text.canonical import comparable


class ErrorCounts(NamedTuple):
    """Counts of the edits from references to hypotheses; `length` is the number of reference words or characters."""

    substitutions: int
    insertions: int
    deletions: int
    length: int

    @property
    def errors(self) -> int:
        return self.substitutions + self.insertions + self.deletions

    @property
    def rate(self) -> float:
        """The error rate; 1.0 is 100 %, and insertions can exceed it. For an empty reference 0, or inf with errors."""
        if self.length:
            return self.errors / self.length
        return math.inf if self.errors else 0.0


def word_errors(references: Sequence[str], hypotheses: Sequence[str]) -> ErrorCounts:
    """Count edits by words, separated by any white space."""
    return _counts(jiwer.process_words(*_clean(references, hypotheses))) if references else ErrorCounts(0, 0, 0, 0)


def char_errors(references: Sequence[str], hypotheses: Sequence[str]) -> ErrorCounts:
    """Count edits by characters; the single space between two words counts as a character."""
    return _counts(jiwer.process_characters(*_clean(references, hypotheses))) if references else ErrorCounts(0, 0, 0, 0)


def _clean(references: Sequence[str], hypotheses: Sequence[str]) -> tuple[list[str], list[str]]:
    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} references, {len(hypotheses)} hypotheses")
    return [comparable(text) for text in references], [comparable(text) for text in hypotheses]


def _counts(output: jiwer.WordOutput | jiwer.CharacterOutput) -> ErrorCounts:
    length = output.hits + output.substitutions + output.deletions
    return ErrorCounts(output.substitutions, output.insertions, output.deletions, length)
