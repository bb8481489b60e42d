"""The column of what is said has the transcript of each line, also where the line's text is its translation."""

import json
from typing import Any, NamedTuple

import numpy as np
import pytest

from jaxspeech.data.columns.column import check_fields
from jaxspeech.data.columns.said import said
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.variant import STILL
from jaxspeech.text.char import CharTokenizer
from jaxspeech.text.prompt import PromptFormat

LINES = [
    ({"text": "a  b", "target_lang": "en"}, "a b"),
    ({"text": "bb", "source_lang": "en", "target_lang": "eo", "transcript": "aab"}, "aab"),
    ({"text": "bb", "source_lang": "en", "target_lang": "eo"}, ""),
    ({"text": "ab", "source_lang": "eo", "target_lang": "eo", "transcript": "b"}, "ab"),
    ({"text": "ab"}, "ab"),
    ({"text": "ab", "target_lang": "<|eo|>", "transcript": 3}, ""),
]


class Words(NamedTuple):
    text: Any
    index: Any
    said: Any = None
    num_said: Any = None


def test_a_translation_has_its_transcript(tmp_path):
    tokenizer = CharTokenizer("ab ")
    lines = [json.dumps({"audio_filepath": "a.wav", "duration": 1.0, **line}) for line, _ in LINES]
    (tmp_path / "m.jsonl").write_text("\n".join(lines))
    column = said(Manifest(tmp_path / "m.jsonl"), tokenizer, PromptFormat("canary2"))
    found = [tokenizer.decode(column.row(example, STILL).tolist()) for example in range(len(LINES))]
    assert found == [text for _, text in LINES] and column.usable.all()
    assert column.lengths is not None and column.widths is not None
    np.testing.assert_array_equal(column.lengths, [len(text) for _, text in LINES])
    assert column.widths(slice(None), np.ones(len(LINES)), np.array([2.0])) == (8,)


def test_a_field_with_a_default_may_be_left_out():
    check_fields(Words, ["text"])
    check_fields(Words, ["text", "said", "num_said"])
    with pytest.raises(TypeError, match="nothing fills text"):
        check_fields(Words, ["said"])
    with pytest.raises(TypeError, match="it has no field for said"):
        check_fields(Words, ["text", "said", "said"])
