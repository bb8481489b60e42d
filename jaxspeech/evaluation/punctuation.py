"""Punctuation error rate: marks that are wrong, missing or too many, where the words around them are aligned.

    PER = (substituted + deleted + inserted) / (right + substituted + deleted + inserted)

Words and marks are aligned with the least number of edits, in which any mark matches any other; words match whatever
their case. A mark within a number (3.5) is a part of it.

Source: Meister et al., "LibriSpeech-PC", 2023; NeMo common/metrics/punct_er.py.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein

from jaxspeech.text.canonical import comparable

# Marks of Latin, Greek, Arabic, Indic, Chinese and Japanese texts that end or divide sentences.
MARKS = ".,?!;:،؛؟।。，、？！；："
# Any mark, in the alignment; no text holds a control character once it is `comparable`.
MARK = "\x00"


class MarkCounts(NamedTuple):
    """Counts of the marks of a set, or of one kind of mark."""

    correct: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float | None:
        """The error rate; None where neither side has a mark."""
        return self.errors / (self.errors + self.correct) if self.errors + self.correct else None


def punctuation_errors(
    references: Sequence[str], found: Sequence[str], *, marks: Iterable[str] = MARKS
) -> Mapping[str, MarkCounts]:
    """Counts the errors of each mark that occurs; a substitution is counted for the mark of the reference.

    Args:
      references: texts with punctuation.
      found: what is scored.
      marks: the characters that count; others are left out.
    """
    marks = "".join(marks)
    rows: dict[str, Counter[str]] = {}
    for reference, text in zip(references, found, strict=True):
        said, heard = tokens(reference, marks), tokens(text, marks)
        sides = [[MARK if token in marks else token for token in side] for side in (said, heard)]
        left = [Counter(token for token in side if token in marks) for side in (said, heard)]
        if not (left[0] or left[1]):
            continue
        for code in Levenshtein.opcodes(*sides):
            if code.tag != "equal":
                continue
            pairs = zip(said[code.src_start : code.src_end], heard[code.dest_start : code.dest_end], strict=True)
            for one, other in pairs:
                if one in marks:
                    rows.setdefault(one, Counter())["correct" if one == other else "substitutions"] += 1
                    left[0][one] -= 1
                    left[1][other] -= 1
        for kind, rest in zip(("deletions", "insertions"), left, strict=True):
            for mark, count in rest.items():
                rows.setdefault(mark, Counter())[kind] += count
    return {mark: MarkCounts(**counts) for mark, counts in sorted(rows.items())}


def total(counts: Mapping[str, MarkCounts]) -> MarkCounts:
    """Adds the counts of all marks."""
    return MarkCounts(*map(sum, zip(*counts.values(), strict=True))) if counts else MarkCounts()


def tokens(text: str, marks: str = MARKS) -> list[str]:
    """The words of a text in lower case, and its marks, each one of its own."""
    one = f"[{re.escape(marks)}]"
    pattern = rf"\d+(?:[.,]\d+)+|[^\W_](?:[^\s{re.escape(marks)}\"()\[\]{{}}“”«»…—–/-])*|{one}"
    return re.findall(pattern, comparable(text).casefold())
