"""Compares classifiers loaded from NeMo's files with NeMo: from its features, and from audio with each clip alone."""

import jax
import numpy as np
import pytest

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.interop.nemo import load_nemo
from jaxspeech.pipelines.classifier import Classifier
from tests.parity.reference import reference

CLIPS = ["marblenet", "matchboxnet"]


@pytest.fixture(scope="module", params=CLIPS)
def clips(request):
    file, nemo, notes = reference(request.param, request)
    return load_nemo(file), nemo, notes["config"]


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def test_logits_from_features(clips):
    """From its batch of features, NeMo pools over all frames of the tensor, the padding too."""
    archive, nemo, _ = clips
    features = nemo["feats.0"].transpose(0, 2, 1)
    everything = np.full(len(features), features.shape[1])
    apply = jax.jit(lambda *inputs: build(archive.model).model.apply(*inputs, method="logits_of_features"))
    logits = apply(archive.variables, features, nemo["feats.1"], everything)
    np.testing.assert_allclose(logits, nemo["out"], atol=1e-4)
    # The longest recording is not padded.
    np.testing.assert_allclose(logits[:1], nemo["out_single.0"], atol=1e-4)


def test_logits_and_labels_from_audio_are_those_of_each_clip_alone(clips):
    archive, nemo, config = clips
    apply = jax.jit(build(archive.model).model.apply)
    audio, lengths = nemo["audio"], nemo["audio_len"]
    bad = np.where(np.arange(audio.shape[1]) < lengths[:, None], audio, np.nan).astype(np.float32)
    alone = np.concatenate([nemo[f"out_single.{i}"] for i in range(len(audio))])
    np.testing.assert_allclose(apply(archive.variables, bad, lengths), alone, atol=1e-3)

    rows = [row[:length] for row, length in zip(audio, lengths, strict=True)]
    for batch_size in (1, 8):
        found = Classifier(archive).classify(rows, top_k=1, batch_size=batch_size)
        assert [result.top[0][0] for result in found] == [config["labels"][i] for i in alone.argmax(1)]
        np.testing.assert_allclose([result.probabilities for result in found], softmax(alone), atol=1e-3)


def test_class_weights_come_from_the_configuration(clips):
    archive, nemo, _ = clips
    assert isinstance(archive, Archive) and "class_weights" not in archive.model
    assert len(archive.assets["classes"]) == nemo["out"].shape[1]
