"""Word and character error rates: (substitutions + insertions + deletions) / reference length.

The alignment is the one of least edits (jiwer over rapidfuzz). Rates are over a whole set: the errors of all
utterances over the words of all references. An empty reference adds its insertions and no words.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jiwer


class ErrorCounts(NamedTuple):
    """Edits that turn the references into the hypotheses; `length` counts the references' words or characters."""

    substitutions: int
    insertions: int
    deletions: int
    length: int

    @property
    def errors(self) -> int:
        return self.substitutions + self.insertions + self.deletions

    @property
    def rate(self) -> float:
        """1.0 is 100 %; insertions can push it beyond. Without any reference it is 0, or inf if anything was said."""
        if self.length:
            return self.errors / self.length
        return math.inf if self.errors else 0.0


def word_errors(references: Sequence[str], hypotheses: Sequence[str]) -> ErrorCounts:
    """Edits by words, which any white space parts."""
    return _counts(jiwer.process_words(*_clean(references, hypotheses))) if references else ErrorCounts(0, 0, 0, 0)


def char_errors(references: Sequence[str], hypotheses: Sequence[str]) -> ErrorCounts:
    """Edits by characters; a single space between words counts as one."""
    return _counts(jiwer.process_characters(*_clean(references, hypotheses))) if references else ErrorCounts(0, 0, 0, 0)


def _clean(references: Sequence[str], hypotheses: Sequence[str]) -> tuple[list[str], list[str]]:
    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} references, {len(hypotheses)} hypotheses")
    return [" ".join(text.split()) for text in references], [" ".join(text.split()) for text in hypotheses]


def _counts(output: jiwer.WordOutput | jiwer.CharacterOutput) -> ErrorCounts:
    length = output.hits + output.substitutions + output.deletions
    return ErrorCounts(output.substitutions, output.insertions, output.deletions, length)
