"""What is left out of a manifest: by its fields, and by the number of its tokens."""

import json

import numpy as np
import pytest

from jaxspeech.configs.base import base_config
from jaxspeech.data.columns.transcripts import transcripts
from jaxspeech.data.keep import kept_lines, parse_keep
from jaxspeech.data.limits import Limits, parse_limits
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.run_data import training_manifest
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.text.char import CharTokenizer

LINES = [
    {"cer": 0.05, "lang": "en", "checked": True, "scores": {"snr": 20}},
    {"cer": 0.5, "lang": "en"},
    {"cer": 0.1, "lang": "fr"},
    {"cer": "0.05", "lang": "de"},
    {"lang": "de"},
    {"cer": True, "lang": "de", "checked": 1},
    {"cer": 0.0, "lang": None, "scores": 3},
]


def kept(keep):
    mask, reasons = kept_lines((json.dumps(line).encode() for line in LINES), parse_keep(keep))
    return np.flatnonzero(mask).tolist(), dict(reasons)


def test_ranges_choices_values_and_inner_fields():
    assert kept({"cer": (None, 0.1)}) == (
        [0, 2, 6],
        {"whose cer is above 0.1": 1, "whose cer is not a number": 2, "without cer": 1},
    )
    assert kept({"cer": (0.1, None)})[0] == [1, 2]
    assert kept({"lang": ("en", "de"), "cer": (0, 0.5)})[0] == [0, 1]
    assert kept({"lang": "fr"}) == ([2], {"whose lang is not 'fr'": 5, "without lang": 1})
    assert kept({"checked": True})[0] == [0]  # the number 1 is not True
    assert kept({"scores.snr": (10, None)}) == ([0], {"without scores.snr": 6})
    assert kept(()) == (list(range(7)), {})


@pytest.mark.parametrize("rule", [(1, 2, 3), (), ("a", 1), None, {"a": 1}, (True, 2)])
def test_what_is_no_rule_is_named(rule):
    with pytest.raises(ConfigError, match=r"^data\.keep\.cer is "):
        parse_keep({"cer": rule})
    with pytest.raises(ConfigError, match=r"^data\.keep is 'cer < 0\.1'"):
        parse_keep("cer < 0.1")


@pytest.fixture
def manifest(tmp_path):
    lines = [
        {"audio_filepath": f"{i}.wav", "duration": 1.0 + i, "text": "ab" * (i + 1), **line}
        for i, line in enumerate(LINES)
    ]
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + "no json\n")
    return path


def test_lines_left_out_are_reported_by_reason(manifest):
    reported = []
    settings = base_config().data.to_dict() | {"train": manifest, "max_seconds": 6.5, "keep": {"lang": ("en", "de")}}
    found = training_manifest(settings, report=reported.append)
    assert [entry.fields["lang"] for entry in found] == ["en", "en", "de", "de", "de"]
    assert found.num_candidates == 6 and len(found.problems) == 1
    assert reported[1:] == [
        "left out: 1 of 7 training examples, longer than data.max_seconds=6.5",
        "left out: 1 of 7 training examples, whose lang is not 'en' or 'de' (data.keep)",
    ]
    with pytest.raises(ManifestError, match=r"data\.keep leaves no example \(6 whose lang is not 'it'"):
        training_manifest(settings | {"keep": {"lang": "it"}}, report=reported.append)


def test_a_source_has_rules_of_its_own(manifest, tmp_path):
    (tmp_path / "other.jsonl").write_text('{"audio_filepath": "b.wav", "duration": 1.0, "text": "a"}\n')
    sources = [str(tmp_path / "other.jsonl"), {"path": manifest, "keep": {"cer": (None, 0.1)}}]
    found = Manifest(sources)
    assert [entry.fields.get("cer") for entry in found] == [None, 0.05, 0.1, 0.0]
    assert found.left_out.total() == 4 and found.num_candidates == 5
    with pytest.raises(ConfigError, match=r"^data\.keep\.cer is"):
        Manifest({"path": manifest, "keep": {"cer": ()}})


def test_limits_of_tokens(manifest):
    found = Manifest(manifest)
    columns = {"labels": transcripts(found, CharTokenizer("ab"))}

    def within(**limits):
        left, counts = Limits(**limits).within(found, columns, slice(None))
        return np.arange(7)[left].tolist(), counts

    assert within() == (list(range(7)), {})
    assert within(min_tokens=4, max_tokens=10) == ([1, 2, 3, 4], {"min_tokens": 1, "max_tokens": 2})
    # 2 (i + 1) tokens in 1 + i seconds: 2 a second.
    assert within(max_tokens_per_second=2.0)[0] == list(range(7))
    with pytest.raises(ManifestError, match=r"no example is within data\.max_tokens_per_second=1\.9"):
        within(max_tokens_per_second=1.9)
    # Recordings of 1, 2, ... 7 s, in buckets of up to 2, 4 and 8 s; 0 is no limit.
    buckets = (2.0, 4.0, 8.0)
    of_each = Limits(max_tokens_per_second=(1.5, 2.0, 0.0), min_tokens_per_second=(0, 0, 2.5))
    left, counts = of_each.within(found, columns, slice(None), buckets=buckets)
    assert np.arange(7)[left].tolist() == [2, 3]
    assert counts == {"max_tokens_per_second": 2, "min_tokens_per_second": 3}
    with pytest.raises(ManifestError, match=r"max_tokens_per_second=\(1\.5, 1, 1\)"):
        Limits(max_tokens_per_second=(1.5, 1, 1)).within(found, columns, slice(None), buckets=buckets)
    with pytest.raises(ConfigError, match=r"has 3 limits: data\.buckets must be as many lengths"):
        of_each.within(found, columns, slice(None), buckets=3)
    with pytest.raises(ConfigError, match=r"data\.max_tokens is \(1, 2\); it is a number, and 0"):
        parse_limits({"max_tokens": (1, 2)})
    with pytest.raises(ConfigError, match=r"data\.min_tokens: the examples of this kind of model have no labels"):
        Limits(min_tokens=1).within(found, {}, slice(None))
    with pytest.raises(ConfigError, match=r"data\.max_tokens is -1"):
        parse_limits({"max_tokens": -1})
