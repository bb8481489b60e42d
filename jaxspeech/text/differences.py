"""Compares a reference transcript with a recognised one, word by word."""

from typing import Literal, NamedTuple

import jiwer


class Difference(NamedTuple):
    """A stretch of words that are equal, or differ in one way.

    Attributes:
      kind: how the two sides differ.
      said, heard: its words in the reference and in the hypothesis; `said` is empty for "insert", `heard` for "delete".
    """

    kind: Literal["equal", "substitute", "insert", "delete"]
    said: str
    heard: str


def differences(said: str, heard: str) -> list[Difference]:
    """Align reference and hypothesis with the least number of edits, as counted by `word_errors`."""
    before, after = said.split(), heard.split()
    if not before:
        return [Difference("insert", "", " ".join(after))] if after else []
    chunks = jiwer.process_words([" ".join(before)], [" ".join(after)]).alignments[0]
    return [
        Difference(
            chunk.type,  # type: ignore[arg-type]
            " ".join(before[chunk.ref_start_idx : chunk.ref_end_idx]),
            " ".join(after[chunk.hyp_start_idx : chunk.hyp_end_idx]),
        )
        for chunk in chunks
    ]
