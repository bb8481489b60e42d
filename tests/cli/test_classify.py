"""Tests the verb classify: names, JSON lines, accuracy, skipped recordings."""

import json

import numpy as np
import pytest
import soundfile

from jaxspeech.archive import save_archive
from jaxspeech.cli.main import main
from jaxspeech.text.classes import Classes
from tests.interop.random_model import random_variables
from tests.surgery.test_classes import MODEL


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classify")
    variables = random_variables(MODEL)
    save_archive(folder / "m.jaxspeech", model=MODEL, assets={"classes": Classes(["no", "yes"])}, variables=variables)
    noise = np.random.default_rng(0).normal(size=8000) * 0.1
    for name, count in (("a", 8000), ("b", 5000), ("tiny", 160)):
        soundfile.write(folder / f"{name}.wav", noise[:count], 16000)
    return folder


def test_names_and_accuracy(folder, capsys):
    assert main(["classify", f"--model={folder}/m.jaxspeech", f"{folder}/a.wav"]) == 0
    name, probability = capsys.readouterr().out.rstrip("\n").split("\t")
    assert name in ("no", "yes") and 0.5 <= float(probability) <= 1
    lines = [{"audio_filepath": f"{x}.wav", "label": name, "id": x} for x in ("a", "b", "tiny")]
    (folder / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    out = folder / "out.jsonl"
    command = ["classify", f"--model={folder}/m.jaxspeech", f"--manifest={folder}/in.jsonl", f"--output={out}"]
    assert main([*command, "--top_k=2"]) == 0
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["id"] for line in found] == ["a", "b"] and found[0]["pred_label"] == name
    assert [entry[0] for entry in found[0]["pred_top"]] == [name, {"no": "yes", "yes": "no"}[name]]
    said = capsys.readouterr().err
    assert "tiny.wav: 10 ms of audio are too short; this model needs 20 ms or more" in said
    assert "accuracy " in said and "3 files, 1 skipped" in said
    assert main([*command, "--strict"]) == 1


def test_a_model_of_another_kind_is_one_line(folder, capsys):
    assert main(["transcribe", f"--model={folder}/m.jaxspeech", f"{folder}/a.wav"]) == 2
    said = capsys.readouterr().err
    assert "is a classification model: jaxspeech.load(path, jaxspeech.Classifier)" in said and said.count("\n") == 1
