"""Exported models of speakers and of frames in onnxruntime: the same numbers as ours, whatever the padding holds."""

import json
from pathlib import Path

import jax
import numpy as np
import onnx
import onnxruntime
import pytest

from jaxspeech.archive import Archive
from jaxspeech.errors import ConfigError
from jaxspeech.interop.onnx import export_onnx
from jaxspeech.pipelines.classifier import Classifier
from jaxspeech.pipelines.embedder import Embedder
from tests.interop.random_model import random_variables
from tests.pipelines import frame_model
from tests.pipelines.speaker_model import MODEL, RATE, speaker_archive
from tests.pipelines.test_recognizer import chirps
from tests.surgery.test_classes import MODEL as CLIPS


def run(path: Path, **inputs: np.ndarray) -> list[np.ndarray]:
    onnx.checker.check_model(onnx.load(path), full_check=True)
    return onnxruntime.InferenceSession(path).run(None, inputs)


def features_of(model, archive, samples: list[np.ndarray]) -> dict[str, np.ndarray]:
    """The graph's inputs for recordings; the padding is NaN."""
    lengths = np.array([len(own) for own in samples], np.int32)
    padded = np.zeros((len(samples), lengths.max()), np.float32)
    for row, own in zip(padded, samples, strict=True):
        row[: len(own)] = own
    features, counts = jax.jit(lambda *x: model.apply(archive.variables, *x, method="features"))(padded, lengths)
    features = np.array(features)[:, : counts.max()].swapaxes(1, 2)
    for row, count in zip(features, counts, strict=True):
        row[:, count:] = np.nan
    return {"audio_signal": features, "length": np.array(counts, np.int64)}


@pytest.mark.parametrize("name", ["titanet", "ecapa"])
def test_embeddings(tmp_path, name):
    archive = speaker_archive(name)
    embedder = Embedder(archive)
    audio = [chirps(i, seconds) for i, seconds in enumerate((1.9, 0.6))]
    embedder.export_onnx(tmp_path / "model")
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["model.onnx"]
    logits, vectors = run(tmp_path / "model" / "model.onnx", **features_of(embedder.model, archive, audio))
    assert logits.shape == (2, 3)
    for vector, samples in zip(vectors, audio, strict=True):
        [found] = embedder.embed(samples)
        np.testing.assert_allclose(vector, found.vector, atol=1e-5 * np.abs(found.vector).max())


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
    model = frame_model.MODEL
    archive = frame_model.frame_archive()._replace(variables=random_variables(model))
    classifier = Classifier(archive)
    audio = [chirps(i, seconds) for i, seconds in enumerate((1.9, 0.6))]
    classifier.export_onnx(tmp_path / "model")
    inputs = features_of(classifier.model, archive, audio)
    logits, counts = run(tmp_path / "model" / "model.onnx", **inputs)
    for row, count, samples in zip(logits, counts, audio, strict=True):
        [found] = classifier.classify(samples)
        odds = np.exp(row[:count] - row[:count].max(-1, keepdims=True))
        np.testing.assert_allclose(odds / odds.sum(-1, keepdims=True), found.probabilities, atol=1e-5)
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
