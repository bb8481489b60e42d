"""Weights of sources in nested groups, against the equation."""

import json

import numpy as np
import pytest

from jaxspeech.data.manifest import Manifest
from jaxspeech.data.sources import parse_sources
from jaxspeech.data.temperature import tempered
from jaxspeech.errors import ManifestError


def test_each_level_has_its_own_temperature():
    seconds = np.array([8.0, 2.0, 30.0, 60.0])  # two languages: 10 and 90 seconds
    groups = [(0, 0), (0, 1), (1, 0), (1, 1)]
    shown = seconds * tempered(seconds, groups, (2.0, 1.0))
    outer = np.sqrt([0.1, 0.9]) / np.sqrt([0.1, 0.9]).sum()
    np.testing.assert_allclose(shown, 100 * np.array([0.8 * outer[0], 0.2 * outer[0], outer[1] / 3, outer[1] / 1.5]))
    shown = seconds * tempered(seconds, groups, (1.0, 1e9))  # all members of a group alike
    np.testing.assert_allclose(shown, [5, 5, 45, 45], rtol=1e-6)
    shown = seconds * tempered(seconds, groups, 1e9)
    np.testing.assert_allclose(shown, [25, 25, 25, 25], rtol=1e-6)
    np.testing.assert_allclose(tempered(seconds, groups, (1.0,)), 1.0)


def test_sources_without_groups_are_one_level():
    seconds, shares = np.array([1.0, 3.0, 0.0]), np.sqrt([0.25, 0.75])
    found = seconds * tempered(seconds, [(0,), (1,), (2,)], 2.0)
    np.testing.assert_allclose(found[:2], 4 * shares / shares.sum())
    with pytest.raises(ManifestError, match="must be above 0"):
        tempered(seconds, [(0,), (1,), (2,)], (1.0, 0))


def test_groups_of_sources_in_a_manifest(tmp_path):
    for name, count in (("a", 1), ("b", 3), ("c", 12)):
        line = json.dumps({"audio_filepath": f"{name}.wav", "duration": 1.0, "text": name}) + "\n"
        (tmp_path / f"{name}.jsonl").write_text(count * line)
    a, b, c = (str(tmp_path / f"{name}.jsonl") for name in "abc")
    group = {"sources": [a, {"path": b, "weight": 0.5}], "weight": 2}
    parsed = parse_sources([group, c])
    assert [(source.groups, source.weight) for source in parsed] == [((0, 0), 2), ((0, 1), 1.0), ((1,), 1)]
    assert Manifest([group, c]).weights.tolist() == [2] + [1] * 15
    manifest = Manifest([group, c], temperature=(1e9, 1.0))
    # 17 seconds are shown in all; the group and c get half of them, a and b two to three of its half.
    np.testing.assert_allclose(manifest.weights, [8.5 * 2 / 5] + [8.5 / 5] * 3 + [8.5 / 12] * 12, rtol=1e-6)
    with pytest.raises(ManifestError, match="has 'tars'"):
        parse_sources({"sources": [a], "tars": "b.tar"})
    with pytest.raises(ManifestError, match="group of sources: the weight is 0"):
        parse_sources({"sources": [a], "weight": 0})
