"""A resumed run: the same initial model is required, changed settings are reported."""

import pytest

from jaxspeech.errors import CheckpointError
from jaxspeech.training.resume_checks import changed_settings, check_same_start, edited_manifests

SAVED = {"init_from": "a.jaxspeech", "seed": 0, "steps": 8, "optimizer": {"learning_rate": 0.1, "name": "adamw"}}


def test_a_different_initial_model_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        CheckpointError, match=r"runs/x holds a run that began with a\.jaxspeech, not with b\.jaxspeech"
    ):
        check_same_start(SAVED, SAVED | {"init_from": "b.jaxspeech"}, folder="runs/x")
    for same in ("a.jaxspeech", str(tmp_path / "a.jaxspeech"), ""):
        check_same_start(SAVED, SAVED | {"init_from": same}, folder="runs/x")


def test_edited_manifests_are_reported():
    before = {"data.train": "9 examples, checksum 1", "data.eval.dev": "2 examples, checksum 2"}
    now = {"data.train": "8 examples, checksum 3", "data.eval.dev": "2 examples, checksum 2", "data.eval.new": "1"}
    assert edited_manifests(before, before) == edited_manifests({}, now) == ""
    assert edited_manifests(before, now) == "data.train had 9 examples, checksum 1, has 8 examples, checksum 3"


def test_changed_settings_are_reported():
    assert changed_settings(SAVED, SAVED | {"steps": 16}, fixed=("model",)) == ""
    found = changed_settings(SAVED, SAVED | {"seed": 5, "optimizer": {"learning_rate": 0.2, "name": "adamw"}}, fixed=())
    assert found == "optimizer.learning_rate was 0.1, is now 0.2; seed was 0, is now 5"
    many = changed_settings({"a": dict.fromkeys("abcdefg", 0)}, {"a": dict.fromkeys("abcdefg", 1)}, fixed=())
    assert many.endswith("a.e was 0, is now 1; and 2 more")


def test_a_setting_that_a_later_version_added_is_a_change_only_if_it_says_something():
    now = SAVED | {"optimizer": SAVED["optimizer"] | {"groups": []}}
    assert changed_settings(SAVED, now, fixed=()) == ""
    now["optimizer"]["groups"] = [1]
    assert changed_settings(SAVED, now, fixed=()) == "optimizer.groups was absent, is now [1]"
    assert changed_settings(SAVED, now, fixed=(), defaults={"optimizer": {"groups": [1], "name": "sgd"}}) == ""
    assert changed_settings(SAVED, now, fixed=(), defaults={"optimizer": {"groups": [2]}})
