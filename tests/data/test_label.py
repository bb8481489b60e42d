"""Tests the label column: names to numbers, what has no number, and weights for rare classes."""

import json

import numpy as np
import pytest

from jaxspeech.data.buckets import Bucket
from jaxspeech.data.columns.label import balancing_weights, inverse_frequencies, label_names, labels
from jaxspeech.data.columns.usable import usable_examples
from jaxspeech.data.epochs import Epochs
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.problems import Problems
from jaxspeech.data.variant import STILL
from jaxspeech.text.classes import Classes

VALUES = ["no", "yes", 7, None, "maybe", {"a": 1}, "yes", " no"]


@pytest.fixture
def manifest(tmp_path):
    lines = [{"audio_filepath": f"{i}.wav", "duration": 1.0, "label": value} for i, value in enumerate(VALUES)]
    lines.append({"audio_filepath": "8.wav", "duration": 1.0, "command": "yes"})
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    said = []
    return Manifest(tmp_path / "m.jsonl", problems=Problems(report=said.append)), said


def test_names_become_numbers_and_others_are_reported_once_in_one_line(manifest):
    manifest, said = manifest
    assert label_names(manifest) == ["no", "yes", "7", None, "maybe", None, "yes", "no", "yes"]
    column = labels(manifest, Classes(["no", "yes", "7"]))
    usable = usable_examples(manifest, {"label": column})
    assert usable.tolist() == [0, 1, 2, 6, 7, 8]
    assert [column.row(int(i), STILL) for i in usable] == [0, 1, 2, 1, 0, 1]
    assert [line.partition(".wav: ")[2] for line in said] == [
        "no label",
        "label 'maybe' is not a class of the model; known are 7, no, yes",
        "its label is not a name: {'a': 1}",
    ]


def test_balance_shows_every_class_equally_often():
    numbers = np.array([0] * 60 + [1] * 30 + [2] * 6 + [-1] * 4)
    weights = balancing_weights(numbers)
    sums = [weights[numbers == number].sum() for number in (0, 1, 2)]
    np.testing.assert_allclose(sums, 96 / 3)
    np.testing.assert_array_equal(weights[numbers < 0], 1)
    np.testing.assert_array_equal(balancing_weights(numbers, strength=0), 1)
    roots = balancing_weights(numbers, strength=0.5)
    np.testing.assert_allclose(roots[0] / roots[95], np.sqrt(6 / 60))

    epochs = Epochs(np.ones(96), weights=weights[:96], buckets=(Bucket(1.0, 4),), seed=0)
    seen = np.concatenate([epochs[step].index for step in range(epochs.first_step(10))])
    counts = np.bincount(numbers[seen[seen >= 0]])
    np.testing.assert_allclose(counts, 320, atol=10)  # unweighted: 600, 300, 60


def test_a_manifest_keeps_the_weights_of_its_examples(manifest):
    manifest, _ = manifest
    weighted = manifest.weighted(np.arange(len(manifest)) / 2)
    np.testing.assert_array_equal(weighted.weights, np.arange(9) / 2)
    np.testing.assert_array_equal(weighted.take(np.array([5, 2])).weights, [2.5, 1])
    np.testing.assert_array_equal(weighted.weighted(np.full(9, 2.0)).weights, np.arange(9))
    np.testing.assert_array_equal(manifest.weights, 1)


def test_inverse_frequencies_are_those_of_nemo():
    assert inverse_frequencies(np.array([3, 1, 0])) == (4 / 9, 4 / 3, 1.0)
