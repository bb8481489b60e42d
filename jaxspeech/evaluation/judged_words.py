"""Decides which recognised words are right, for the scores of their confidences."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.text.error_rate import word_opcodes

# A recognised word and its confidence.
SureWord = tuple[str, float]


def judged(
    said: Sequence[str], heard: Sequence[Sequence[SureWord]], *, by_word: Callable[[str], list[str]]
) -> tuple[Int[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    """Returns whether each recognised word is right, 1 or 0, and its confidence.

    A word is right if the alignment with the least number of edits has it opposite to an equal word. Words that the
    recogniser left out have no confidence, and are not judged.

    Args:
      said: the reference of each utterance.
      heard: its recognised words.
      by_word: normalises a word, to any number of words, which share its confidence.
    """
    right: list[int] = []
    confidences: list[float] = []
    for reference, words in zip(said, heard, strict=True):
        parts = [(part, sure) for word, sure in words for part in by_word(word)]
        expected = [part for word in reference.split() for part in by_word(word)]
        codes, _ = word_opcodes(" ".join(expected), " ".join(part for part, _ in parts))
        marks = [0] * len(parts)
        for kind, _, _, start, stop in codes:
            if kind == "equal":
                marks[start:stop] = [1] * (stop - start)
        right += marks
        confidences += [sure for _, sure in parts]
    return np.array(right, np.int64), np.array(confidences, np.float64)
