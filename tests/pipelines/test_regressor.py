"""Tests regression models at their door, at the command, in .nemo files, and the data that they learn from."""

import json

import jax
import numpy as np
import pytest
import soundfile

import jaxspeech
from jaxspeech.archive import save_archive
from jaxspeech.builder import build
from jaxspeech.cli.main import main
from jaxspeech.data.columns.number import number_of, read_numbers
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.problems import Problems
from jaxspeech.errors import ArchiveError, ManifestError, SpeechError
from jaxspeech.evaluation.regression import errors
from jaxspeech.interop.nemo.model_config import from_nemo
from jaxspeech.jobs.regression import REGRESSION
from jaxspeech.pipelines.regressor import Regressor
from tests.surgery.test_classes import MODEL as CLIPS

MODEL = {name: CLIPS[name] for name in ("features", "encoder", "decoder")} | {"task": "regression"}
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("regressor")
    variables = jax.device_get(jax.jit(build(MODEL).init)(jax.random.key(1)))
    save_archive(folder / "m.jaxspeech", model=MODEL, assets={}, variables=variables)
    for name, count in (("a", 8000), ("b", 5000), ("tiny", 160)):
        soundfile.write(folder / f"{name}.wav", RNG.normal(size=count) * 0.1, 16000, subtype="FLOAT")
    return folder


def test_numbers_are_those_of_each_recording_alone(folder):
    model = jaxspeech.load(folder / "m.jaxspeech", jaxspeech.Regressor)
    samples = [soundfile.read(folder / f"{name}.wav", dtype="float32")[0] for name in ("a", "b")]
    found = model.estimate(samples)
    for one, result in zip(samples, found, strict=True):
        features, frames = model.model.apply(model.variables, one[None], np.array([len(one)]), method="features")
        encoded, _ = model.model.apply(model.variables, features, frames, method="encode_features")
        out = model.variables["params"]["decoder"]["out"]
        pooled = np.asarray(encoded[0, : len(one) // 160 + 1]).mean(0)  # NeMo pools the frame after the last one too
        np.testing.assert_allclose(result.value, pooled @ out["kernel"][:, 0] + out["bias"][0], rtol=1e-4, atol=1e-5)
    [skipped] = model.estimate(samples[0][:160], on_error="skip")
    assert "10 ms of audio are too short" in skipped.error and np.isnan(skipped.value)
    with pytest.raises(SpeechError, match="is a regression model: jaxspeech"):
        jaxspeech.load(folder / "m.jaxspeech", jaxspeech.Classifier)


def test_nemos_files_both_ways(folder):
    model = jaxspeech.load(folder / "m.jaxspeech", Regressor)
    model.export_nemo(folder / "m.nemo")
    again = jaxspeech.load(folder / "m.nemo", Regressor)
    paths = [folder / "a.wav", folder / "b.wav"]
    assert [x.value for x in again.estimate(paths)] == pytest.approx([x.value for x in model.estimate(paths)], rel=1e-5)
    config = again.metadata["nemo_config"]
    assert config["is_regression_task"] is True and config["decoder"]["num_classes"] == 1 and config["labels"] == []
    with pytest.raises(ArchiveError, match="is_regression_task None"):
        from_nemo({name: value for name, value in config.items() if name != "is_regression_task"})


def test_the_command_reports_the_errors(folder, capsys):
    lines = [{"audio_filepath": f"{x}.wav", "label": truth} for x, truth in (("a", 1), ("b", "2.5"), ("tiny", 3))]
    (folder / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    out = folder / "out.jsonl"
    command = ["estimate", f"--model={folder}/m.jaxspeech"]
    assert main([*command, f"--manifest={folder}/in.jsonl", f"--output={out}"]) == 0
    values = [json.loads(line)["pred_value"] for line in out.read_text().splitlines()]
    said = capsys.readouterr().err
    mae = np.abs(np.array(values) - [1, 2.5]).mean()
    assert f"MAE {mae:.4g}, MSE" in said and "of 2 recordings" in said and "1 skipped" in said
    assert main([*command, f"{folder}/a.wav"]) == 0
    assert float(capsys.readouterr().out) == pytest.approx(values[0], rel=1e-4)


def test_errors_are_numpys():
    found, true = RNG.normal(size=20), RNG.normal(size=20)
    scores = errors(list(zip(found, true, strict=True)))
    centred = [x - x.mean() for x in (found, true)]
    correlation = (centred[0] * centred[1]).sum() / np.sqrt(np.prod([(x**2).sum() for x in centred]))
    expected = {"mae": np.abs(found - true).mean(), "mse": ((found - true) ** 2).mean(), "correlation": correlation}
    assert scores == pytest.approx(expected)
    assert set(errors([(1.0, 2.0)])) == {"mae", "mse"}


def test_data_without_different_numbers_is_refused(tmp_path):
    def manifest(*labels):
        lines = [{"audio_filepath": "a.wav", "duration": 1.0, "label": label} for label in labels]
        (tmp_path / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return Manifest(tmp_path / "m.jsonl", problems=Problems(report=lambda line: None))

    np.testing.assert_array_equal(read_numbers(manifest(1, "2.5", "x", None, True)), [1, 2.5, *[np.nan] * 3])
    assert number_of({"label": float("inf")}, "label") is None
    for labels, message in ((("x", None), "no example has a number"), ((2, 2.0), "is 2 in all examples")):
        with pytest.raises(ManifestError, match=message):
            REGRESSION.assets({}, manifest(*labels), {})
    with pytest.raises(SpeechError, match=r"values\.fields is not a field"):
        REGRESSION.assets({"values": {"fields": "mos"}}, manifest(1, 2), {})
