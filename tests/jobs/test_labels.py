"""Tests which classes a run trains, and what it says about manifests that have others."""

import json

import pytest

from jaxspeech.data.manifest import Manifest
from jaxspeech.data.problems import Problems
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.jobs.labels import balanced, choose_classes, look_at_labels, sized_by_classes
from jaxspeech.text.classes import Classes


@pytest.fixture
def manifest(tmp_path):
    def make(*names, field="label"):
        lines = [{"audio_filepath": f"{i}.wav", "duration": 1.0, field: name} for i, name in enumerate(names)]
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return Manifest(path, problems=Problems(name="data.train"))

    return make


def chosen(manifest, given=None, **settings):
    return choose_classes({"classes": settings}, manifest, given or {})


def test_classes_are_those_of_the_manifest_or_the_recipe_or_the_model(manifest):
    mine = manifest("no", "yes", "no", "go")
    assert chosen(mine).names == ("go", "no", "yes")
    assert chosen(mine, names=["yes", "no"]).names == ("yes", "no")
    given = {"classes": Classes(["yes", "no", "up"])}
    assert chosen(mine, given, names="model").names == ("yes", "no", "up")
    assert chosen(mine, given).names == ("go", "no", "yes")
    assert chosen(manifest(3, 4, field="speaker"), field="speaker").names == ("3", "4")
    even = chosen(mine, weights="balanced")
    assert even.weights == (4 / 3, 4 / 6, 4 / 3)
    assert sized_by_classes({"task": "x"}, {"classes": even}) == {
        **{"task": "x", "num_classes": 3, "class_weights": even.weights},
    }
    assert chosen(mine, weights={"go": 5}).weights == (5.0, 1.0, 1.0)
    assert "class_weights" not in sized_by_classes({"class_weights": (1,)}, {"classes": given["classes"]})


@pytest.mark.parametrize(
    ("names", "settings", "message"),
    [
        (["a", "a"], {}, "data.train: all examples are of one class, 'a'; to tell classes apart takes two"),
        (["a", "b"], {"names": ["a", "c"]}, "all examples are of one class, 'a'"),
        (
            ["a", "b"],
            {"names": ["c", "d"]},
            "none of the model's classes ('c', 'd') occurs in the field 'label'",
        ),
        (["a", "b"], {"field": "speaker"}, "no example has the field 'speaker' (classes.field)"),
        (["a", "b"], {"names": "model"}, 'classes.names is "model", but init_from names no model with classes'),
        (["a", "b"], {"names": "ab"}, "it must be a list of names"),
        (["a", "b"], {"weights": "balance"}, "classes.weights is 'balance'; it must be none or balanced"),
        (["a", "bb"], {"weights": {"b": 1}}, "classes.weights: 'b' is not a class; did you mean \"bb\"?"),
        (["a", "b"], {"fields": "x"}, 'classes.fields is not a field; did you mean "field"?'),
    ],
)
def test_what_cannot_be_trained_is_one_line(manifest, names, settings, message):
    with pytest.raises((ConfigError, ManifestError)) as raised:
        chosen(manifest(*names), **settings)
    assert message in str(raised.value) and "\n" not in str(raised.value)


def test_an_evaluation_set_of_other_classes_is_reported_or_refused(manifest):
    classes, said = Classes(["a", "b"]), []
    look_at_labels(manifest("a", "b"), classes, field="label", report=said.append)
    assert said == []
    look_at_labels(manifest("a", "c", None, "c", "d"), classes, field="label", report=said.append)
    assert said == [
        "data.train: 1 of 5 examples have no label; they are not scored",
        "data.train: 3 of 5 examples are of classes that the model lacks ('c', 'd')",
    ]
    with pytest.raises(ManifestError, match=r"no example is of a class of the model.*its labels are 'c'"):
        look_at_labels(manifest("c", "c"), classes, field="label", report=said.append)


def test_rare_speakers_are_shown_more_often(manifest):
    mine, settings = manifest("ann", "ann", "ann", "bob", field="speaker"), {"classes": {"field": "speaker"}}
    classes = Classes(["ann", "bob", "ann (speed 0.9)", "bob (speed 0.9)"])
    for strength, expected in ((0.0, [1, 1, 1, 1]), (1.0, [2 / 3, 2 / 3, 2 / 3, 2])):
        shown = balanced({**settings, "data": {"balance": strength}}, mine, classes).weights
        assert shown.tolist() == pytest.approx(expected)
    with pytest.raises(ConfigError, match=r"data\.balance is 2; it must be from 0"):
        balanced({**settings, "data": {"balance": 2}}, mine, classes)
