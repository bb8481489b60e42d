"""Compares a reference transcript with a recognised one, word by word."""

from typing import Literal, NamedTuple

import jiwer

from jaxspeech.spacing import join
from jaxspeech.text.canonical import comparable
from jaxspeech.text.words import words


class Difference(NamedTuple):
    """A stretch of words that are equal, or differ in one way.

    Attributes:
      kind: how the two sides differ.
      said, heard: its words in the reference and in the hypothesis; `said` is empty for "insert", `heard` for "delete".
        They are `Attached` where no space separates them from the words before.
    """

    kind: Literal["equal", "substitute", "insert", "delete"]
    said: str
    heard: str


def differences(said: str, heard: str) -> list[Difference]:
    """Align reference and hypothesis with the least number of edits.

    In scripts with spaces they are those that `word_errors` counts; in others a word is a character.
    """
    before, after = list(words(said)), list(words(heard))
    if not before:
        return [Difference("insert", "", _joined(after))] if after else []
    chunks = jiwer.process_words([_spaced(before)], [_spaced(after)]).alignments[0]
    return [
        Difference(
            chunk.type,  # type: ignore[arg-type]
            _joined(before[chunk.ref_start_idx : chunk.ref_end_idx]),
            _joined(after[chunk.hyp_start_idx : chunk.hyp_end_idx]),
        )
        for chunk in chunks
    ]


def _joined(words: list[str]) -> str:
    """The text of these words, `Attached` if the first of them is."""
    return type(words[0])(join(words)) if words else ""


def _spaced(words: list[str]) -> str:
    """The words as scores compare them, none of them with a space inside."""
    return " ".join("_".join(comparable(word).split()) for word in words)
