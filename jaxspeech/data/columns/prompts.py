"""The prompt column: the token ids of what each line of a manifest asks for."""

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.data.columns.column import Column, Examples, widest
from jaxspeech.data.example_set import ExampleSet
from jaxspeech.data.variant import Variant
from jaxspeech.errors import SpeechError
from jaxspeech.text.prompt import PromptFormat
from jaxspeech.text.prompt_slots import ALIASES
from jaxspeech.text.tokenizer import Tokenizer


def prompts(manifest: ExampleSet, tokenizer: Tokenizer, prompt: PromptFormat) -> Column:
    """Make the column of prompts; an example is usable if its line asks for something that the model has.

    Args:
      manifest: the examples, whose fields of the names of slots ("source_lang", "pnc", ...) are what they ask for.
      tokenizer: with the special tokens.
      prompt: the model's format.
    """
    known = {*prompt.slots, *(name for name, slot in ALIASES.items() if slot in prompt.slots)}
    ids: list[list[int]] = []
    seen: dict[tuple[tuple[str, str], ...], list[int]] = {}  # most lines ask for the same
    for example in range(len(manifest)):
        fields = {name: value for name, value in manifest[example].fields.items() if name in known}
        key = tuple(sorted((name, repr(value)) for name, value in fields.items()))
        if key not in seen:
            try:
                seen[key] = prompt.encode(tokenizer, fields)
            except SpeechError:
                seen[key] = []
        ids.append(seen[key])
    lengths = np.array([len(row) for row in ids], np.int32)

    def row(example: int, variant: Variant) -> Int[np.ndarray, " P"]:
        fields = {name: value for name, value in manifest[example].fields.items() if name in known}
        return np.array(ids[example] or prompt.encode(tokenizer, fields), np.int32)

    def widths(
        examples: Examples, shortest: Float[np.ndarray, " K"], bucket_seconds: Float[np.ndarray, " b"]
    ) -> tuple[int, ...]:
        return widest(lengths[examples], shortest, bucket_seconds)

    return Column(np.int32, (), widths, lengths > 0, row, lengths)
