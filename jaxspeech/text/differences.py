"""Where a transcript and what was heard differ, word by word."""

from typing import Literal, NamedTuple

import jiwer


class Difference(NamedTuple):
    """A stretch of words.

    Attributes:
      kind: what happened to it.
      said, heard: its words; those that were put in are not said, those that were left out are not heard.
    """

    kind: Literal["equal", "substitute", "insert", "delete"]
    said: str
    heard: str


def differences(said: str, heard: str) -> list[Difference]:
    """The alignment of least edits, as `word_errors` counts them."""
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
