"""The column of what is said: the token ids of each line's transcript, also where the line's text is a translation."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.data.columns.column import Column, Examples, widest
from jaxspeech.data.example_set import ExampleSet
from jaxspeech.data.variant import Variant
from jaxspeech.text.counting import TokenCounter
from jaxspeech.text.prompt import PromptFormat
from jaxspeech.text.tokenizer import Tokenizer

# The field with what is said, of a line whose text is its translation.
TRANSCRIPT = "transcript"


def said(manifest: ExampleSet, tokenizer: Tokenizer, prompt: PromptFormat) -> Column:
    """Make the column of what is said: a line's text, or the field "transcript" if the text is a translation.

    A translation without this field, or with one that the tokenizer cannot encode, has no tokens.

    Args:
      manifest: the examples.
      tokenizer: encodes the texts.
      prompt: the model's format, with the languages that lines without them have.
    """
    count = TokenCounter(tokenizer)
    lengths = np.zeros(len(manifest), np.int32)
    for example in range(len(manifest)):
        fields = manifest[example].fields
        try:
            lengths[example] = count(_transcript(fields, prompt), fields.get("lang"))
        except Exception:  # of whatever kind a tokenizer raises; the column of the texts reports those of texts
            continue

    def row(example: int, variant: Variant) -> Int[np.ndarray, " U"]:
        fields = manifest[example].fields
        ids = tokenizer.encode(_transcript(fields, prompt), fields.get("lang")) if lengths[example] else []
        return np.array(ids, np.int32)

    def widths(
        examples: Examples, shortest: Float[np.ndarray, " K"], bucket_seconds: Float[np.ndarray, " b"]
    ) -> tuple[int, ...]:
        return widest(lengths[examples], shortest, bucket_seconds)

    return Column(np.int32, (), widths, np.ones(len(manifest), bool), row, lengths)


def _transcript(fields: Mapping[str, Any], prompt: PromptFormat) -> str:
    text = fields.get(TRANSCRIPT if prompt.translates(fields) else "text")
    return " ".join(text.split()) if isinstance(text, str) else ""
