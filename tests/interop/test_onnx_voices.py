"""Exported models of speakers and of frames in onnxruntime: the same numbers as ours, whatever the padding holds."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import onnx
import onnxruntime
import pytest

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.interop.onnx import export_onnx
from jaxspeech.pipelines.classifier import Classifier
from jaxspeech.pipelines.embedder import Embedder
from tests.interop.random_model import random_variables
from tests.pipelines import frame_model
from tests.pipelines.speaker_model import MODEL, RATE, speaker_archive
from tests.surgery.test_classes import MODEL as CLIPS


def run(path: Path, **inputs: np.ndarray) -> list[np.ndarray]:
    onnx.checker.check_model(onnx.load(path), full_check=True)
    return onnxruntime.InferenceSession(path).run(None, inputs)


def inputs_of(num_features: int) -> dict[str, np.ndarray]:
    """The graph's inputs for three recordings; the padding is NaN."""
    lengths = np.array([90, 57, 13])
    features = np.random.default_rng(0).standard_normal((3, num_features, lengths.max())).astype(np.float32)
    for row, length in zip(features, lengths, strict=True):
        row[:, length:] = np.nan
    return {"audio_signal": features, "length": lengths}


def ours(archive, forward, inputs: dict[str, np.ndarray]) -> Any:
    """The outputs of our model; `forward` is a function of it and of what its encoder returns."""

    def run(model):
        return forward(model, *model.encode_features(inputs["audio_signal"].swapaxes(1, 2), inputs["length"]))

    return jax.jit(partial(build(archive.model).model.apply, method=run))(archive.variables)


@pytest.mark.parametrize("name", ["titanet", "ecapa"])
def test_embeddings(tmp_path, name):
    archive, inputs = speaker_archive(name), inputs_of(16)
    Embedder(archive).export_onnx(tmp_path / "model")
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["model.onnx"]
    found = run(tmp_path / "model" / "model.onnx", **inputs)
    expected = ours(archive, lambda model, *encoded: model.classify(*encoded), inputs)
    for values, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(values, wanted, atol=1e-5)


def test_what_sherpa_onnx_reads(tmp_path):
    """It takes the window's length from the metadata."""
    narrow = MODEL | {"features": MODEL["features"] | {"window_seconds": 0.02}}
    export_onnx(speaker_archive()._replace(model=narrow), tmp_path / "model")
    model = onnx.load(tmp_path / "model" / "model.onnx")
    found = {entry.key: entry.value for entry in model.metadata_props}
    wanted = {"framework": "nemo", "sample_rate": str(RATE), "output_dim": "6", "feat_dim": "16"}
    wanted |= {"feature_normalize_type": "per_feature", "window_size_ms": "20", "window_stride_ms": "10"}
    assert wanted.items() <= found.items()
    assert [x.name for x in model.graph.input] == ["audio_signal", "length"]
    assert [x.name for x in model.graph.output] == ["logits", "embs"]


def test_frames(tmp_path):
    archive = frame_model.frame_archive()._replace(variables=random_variables(frame_model.MODEL))
    Classifier(archive).export_onnx(tmp_path / "model")
    inputs = inputs_of(8)
    logits, counts = run(tmp_path / "model" / "model.onnx", **inputs)

    def forward(model, encoded, counts):
        return model.decoder(encoded, num_classes=2), counts

    expected, wanted = ours(archive, forward, inputs)
    np.testing.assert_array_equal(counts, wanted)
    for row, own, count in zip(logits, expected, counts, strict=True):
        np.testing.assert_allclose(row[:count], own[:count], atol=1e-5)
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["classes"] == ["background", "speech"] and config["frame_seconds"] == 0.02
    assert config["features"] == "MelSpectrogram" and config["num_mels"] == 8 and config["normalize"] == "none"


def test_features_that_the_runtime_cannot_compute(tmp_path):
    plain = speaker_archive()._replace(model=MODEL | {"features": MODEL["features"] | {"normalize": "none"}})
    with pytest.raises(ConfigError, match=r"the runtimes cannot compute its features \(normalize none\); own_features"):
        export_onnx(plain, tmp_path / "plain")
    export_onnx(plain, tmp_path / "plain", own_features=True)


def test_classifiers_of_recordings_are_refused(tmp_path):
    archive = Archive(CLIPS, {}, random_variables(CLIPS), {})
    with pytest.raises(ConfigError, match="'classification' cannot be exported to ONNX: only recognition, frame"):
        Classifier(archive).export_onnx(tmp_path / "model")
    assert not list(tmp_path.iterdir())
