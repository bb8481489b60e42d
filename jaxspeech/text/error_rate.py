"""Computes word and character error rates: (substitutions + insertions + deletions) / reference length.

The alignment has the least number of edits (jiwer, rapidfuzz). Rates are over a whole set: the errors of all utterances
divided by the words of all references. An empty reference adds insertions but no words.

Texts that differ only in their Unicode form (NFKC), in invisible characters or in white space are equal. Words are
separated by white space in every script; for scripts without spaces, the character error rate is the one to read.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

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


def each_word_errors(references: Sequence[str], hypotheses: Sequence[str]) -> list[ErrorCounts]:
    """Count the edits of each pair by words; their sum is what `word_errors` counts."""
    return _each(jiwer.process_words(*_clean(references, hypotheses)).alignments) if references else []


def each_char_errors(references: Sequence[str], hypotheses: Sequence[str]) -> list[ErrorCounts]:
    """Count the edits of each pair by characters; their sum is what `char_errors` counts."""
    return _each(jiwer.process_characters(*_clean(references, hypotheses)).alignments) if references else []


def word_opcodes(reference: str, hypothesis: str) -> tuple[list[tuple[str, int, int, int, int]], int]:
    """The edits that `word_errors` counts of one pair, and the number of reference words.

    Each is (kind, begin, end, start, stop): "equal", "substitute", "insert" or "delete" of the words [begin, end) of
    the reference and [start, stop) of the hypothesis, split as `comparable` texts.
    """
    said, heard = comparable(reference), comparable(hypothesis)
    chunks = jiwer.process_words([said], [heard]).alignments[0]
    codes = [(x.type, x.ref_start_idx, x.ref_end_idx, x.hyp_start_idx, x.hyp_end_idx) for x in chunks]
    return codes, len(said.split())


def total(counts: Sequence[ErrorCounts]) -> ErrorCounts:
    """Add the counts of utterances."""
    return ErrorCounts(*map(sum, zip(*counts, strict=True))) if counts else ErrorCounts(0, 0, 0, 0)


def _each(alignments: Sequence[Sequence[Any]]) -> list[ErrorCounts]:
    found = []
    for chunks in alignments:
        sizes = {"equal": 0, "substitute": 0, "insert": 0, "delete": 0}
        for chunk in chunks:
            inserted = chunk.type == "insert"
            begin, end = (
                (chunk.hyp_start_idx, chunk.hyp_end_idx) if inserted else (chunk.ref_start_idx, chunk.ref_end_idx)
            )
            sizes[chunk.type] += end - begin
        length = sizes["equal"] + sizes["substitute"] + sizes["delete"]
        found.append(ErrorCounts(sizes["substitute"], sizes["insert"], sizes["delete"], length))
    return found


def _clean(references: Sequence[str], hypotheses: Sequence[str]) -> tuple[list[str], list[str]]:
    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} references, {len(hypotheses)} hypotheses")
    return [comparable(text) for text in references], [comparable(text) for text in hypotheses]


def _counts(output: jiwer.WordOutput | jiwer.CharacterOutput) -> ErrorCounts:
    length = output.hits + output.substitutions + output.deletions
    return ErrorCounts(output.substitutions, output.insertions, output.deletions, length)
