"""The columns of texts to be spoken: the ids of their symbols, by the front end of a voice."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.data.columns.column import Column, Examples, widest
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.variant import Variant
from jaxspeech.errors import ManifestError, SpeechError
from jaxspeech.manifest_lines import parse_line
from jaxspeech.text.front_end import FrontEnd, Spelling

# Fields of lines whose text is normalised already; NeMo's manifests have either.
NORMALIZED = ("normalized_text", "text_normalized")


def spell_line(front_end: FrontEnd, fields: Mapping[str, Any], *, field: str = "text") -> list[int]:
    """Returns the ids of a line's text: of what it says in a field of `NORMALIZED`, or of `field` after normalisation.

    Raises:
      ManifestError: it has no text, or one without anything to say.
    """
    for name in NORMALIZED:
        if isinstance(text := fields.get(name), str) and text.strip():
            return _ids(front_end.spell(text, normalized=True), text)
    text = fields.get(field)
    if not isinstance(text, str):
        raise ManifestError(f"no {field}")
    return _ids(front_end.spell(text), text)


def _ids(spelling: Spelling, text: str) -> list[int]:
    if not spelling.words:
        raise ManifestError(f"nothing in its text can be said: {text!r:.60}")
    return spelling.ids


def symbols(manifest: Manifest, front_end: FrontEnd, *, field: str = "text") -> dict[str, Column]:
    """Make the columns "text" [N], the ids, and "num_symbols"; an example is usable if something can be said.

    All texts are spelt at once, which takes longest where phonemes are looked up, and their ids stay in memory.

    Args:
      manifest: the examples.
      front_end: spells the texts.
      field: of the manifest that holds the text.
    """
    spelt: list[Int[np.ndarray, " N"]] = []
    for line in manifest.lines():
        try:
            spelt.append(np.array(spell_line(front_end, parse_line(line), field=field), np.int32))
        except SpeechError:  # raised again by `row`
            spelt.append(np.zeros(0, np.int32))
    lengths = np.array([len(ids) for ids in spelt], np.int64)

    def row(example: int, variant: Variant) -> Int[np.ndarray, " N"]:
        del variant
        if not lengths[example]:
            spell_line(front_end, manifest[example].fields, field=field)
        return spelt[example]

    def widths(
        examples: Examples, shortest: Float[np.ndarray, " K"], bucket_seconds: Float[np.ndarray, " b"]
    ) -> tuple[int, ...]:
        return widest(lengths[examples], shortest, bucket_seconds)

    usable = lengths > 0
    text = Column(np.int32, (), widths, usable, row, lengths, counted=False, planned=True)
    count = Column(np.int32, (), None, usable, lambda example, variant: np.int32(len(row(example, variant))))
    return {"text": text, "num_symbols": count}
