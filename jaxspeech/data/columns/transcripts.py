"""The transcript column: the token ids of each transcript of a manifest."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import msgspec
import numpy as np
from jaxtyping import Float, Int

from jaxspeech.data.columns.column import Column, Examples, widest
from jaxspeech.data.example_set import ExampleSet
from jaxspeech.data.variant import Variant
from jaxspeech.errors import ManifestError
from jaxspeech.text.counting import TokenCounter
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.text.utterance_marks import marked_utterances, marks_of


def transcripts(manifest: ExampleSet, tokenizer: Tokenizer, *, field: str = "text") -> Column:
    """Make the column of token ids; an example is usable if it has a text that the tokenizer can encode.

    Each text is encoded once to count its tokens, and again when its row is made. The texts of joined utterances are
    joined by spaces, those of each language by themselves.

    Args:
      manifest: the examples; their "lang" selects the language of a multilingual tokenizer. Where the tokenizer has
        marks of the ends of utterances, each of a line's "utterances", or its text, ends with one.
      tokenizer: encodes the texts.
      field: the field of the manifest that holds the text.
    """
    num_labels = _count_labels(manifest, tokenizer, field)

    def row(example: int, variant: Variant) -> Int[np.ndarray, " U"]:
        return np.array(_encode(tokenizer, manifest[example].fields, field), np.int32)

    def widths(
        examples: Examples, shortest: Float[np.ndarray, " K"], bucket_seconds: Float[np.ndarray, " b"]
    ) -> tuple[int, ...]:
        return widest(num_labels[examples], shortest, bucket_seconds)

    def joined(examples: Sequence[int], values: Sequence[np.ndarray], gap: float) -> Int[np.ndarray, " U"]:
        if marks_of(tokenizer):
            return np.concatenate(values)
        return np.array(_encode_joined(tokenizer, [manifest[example].fields for example in examples], field), np.int32)

    return Column(np.int32, (), widths, num_labels >= 0, row, num_labels, planned=True, join=joined)


def _count_labels(manifest: ExampleSet, tokenizer: Tokenizer, field: str) -> Int[np.ndarray, " N"]:
    """The number of tokens of each text; -1 where there is no text, or the tokenizer cannot encode it."""
    num_labels = np.full(len(manifest), -1, np.int32)
    count, marked = TokenCounter(tokenizer), bool(marks_of(tokenizer))
    spoken = msgspec.defstruct("Spoken", [("text", str), ("lang", str | None, None)], rename={"text": field}, gc=False)
    decoder = msgspec.json.Decoder(spoken)
    for index, line in enumerate(manifest.lines()):
        try:
            if marked:
                num_labels[index] = len(_encode(tokenizer, manifest[index].fields, field))
                continue
            try:
                said: Any = decoder.decode(line)
                num_labels[index] = count(_spaced(said.text), said.lang)
            except msgspec.MsgspecError:
                num_labels[index] = len(_encode(tokenizer, manifest[index].fields, field))
        except Exception:  # of whatever kind a tokenizer raises; `row` raises it again
            continue
    return num_labels


def _encode(tokenizer: Tokenizer, fields: dict[str, Any], field: str) -> list[int]:
    if marks := {mark: token for token, mark in marks_of(tokenizer).items()}:
        lang, ids = fields.get("lang"), list[int]()
        for text, mark in marked_utterances(fields, field):
            ids += tokenizer.encode(_spaced(text), lang)
            ids += [marks[mark]] if mark in marks else []
        return ids
    text = fields.get(field)
    if not isinstance(text, str):
        raise ManifestError(f"no {field}")
    return tokenizer.encode(_spaced(text), fields.get("lang"))


def _encode_joined(tokenizer: Tokenizer, lines: Sequence[dict[str, Any]], field: str) -> list[int]:
    """The tokens of the texts of several lines: of neighbours in one language together."""
    ids: list[int] = []
    said: list[str] = []
    for lang, same in groupby(lines, lambda fields: fields.get("lang")):
        texts = [_spaced(fields[field]) for fields in same]
        # Where each word of a line has its language, every line is encoded by itself.
        for text in [" ".join(texts)] if lang is None or isinstance(lang, str) else texts:
            more = list(tokenizer.encode(text, lang))
            words = text.split()
            if ids and tokenizer.decode(ids + more).split() != said + words:
                more = list(tokenizer.encode(f" {text}", lang))  # its tokens say nothing of where words begin
            ids, said = ids + more, said + words
    return ids


def _spaced(text: str) -> str:
    """The text with single spaces between words, as in the training of tokenizers."""
    return " ".join(text.split())
