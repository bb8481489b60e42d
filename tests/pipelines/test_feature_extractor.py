"""Tests the frames of a pretrained encoder at its door, and what another door says of such a model."""

import jax
import numpy as np
import pytest

import jaxspeech
from jaxspeech.archive import save_archive
from jaxspeech.errors import SpeechError
from tests.tasks.test_pretrain import LENGTHS, MODEL, SAMPLES, task_of


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("encoder") / "m.jaxspeech"
    save_archive(path, model=MODEL, assets={}, variables=jax.device_get(task_of()[1]))
    return path


def test_frames_are_those_of_each_recording_alone(path):
    encoder = jaxspeech.load(path, jaxspeech.FeatureExtractor)
    clips = [row[:n] for row, n in zip(SAMPLES, LENGTHS, strict=True)]
    found = encoder.extract([*clips, clips[0][:100]], on_error="skip")
    apply = jax.jit(lambda samples, lengths: encoder.model.apply(encoder.variables, samples, lengths, method="encode"))
    encoded, counts = apply(SAMPLES, LENGTHS)
    for row, (result, count) in enumerate(zip(found, counts, strict=False)):
        assert result.frames.shape == (count, encoder.width) and result.error is None
        np.testing.assert_allclose(result.frames, encoded[row, :count], atol=1e-4)
    assert encoder.frame_seconds == 0.08
    assert "too short" in found[-1].error and found[-1].frames.shape == (0, encoder.width)


def test_frames_of_layers(path):
    extractor = jaxspeech.load(path, jaxspeech.FeatureExtractor, layers=(0,))
    last = extractor.model.encoder.depth - 1
    clips = [row[:n] for row, n in zip(SAMPLES, LENGTHS, strict=True)]
    found = extractor.extract(clips)
    apply = jax.jit(lambda *x: extractor.model.apply(*x, (0,), method="encode_layers")[2][0])
    frames, counts = apply(extractor.variables, SAMPLES, LENGTHS)
    for row, (result, count) in enumerate(zip(found, counts, strict=True)):
        (of_layer,) = result.layers
        np.testing.assert_allclose(of_layer, frames[row, :count], atol=1e-4)
    with pytest.raises(SpeechError, match=f"layers are 0 to {last}"):
        jaxspeech.load(path, jaxspeech.FeatureExtractor, layers=(last + 1,))


def test_another_door_says_what_it_is(path):
    with pytest.raises(SpeechError, match="is a pretrained encoder, from which other models start"):
        jaxspeech.load(path, jaxspeech.Recognizer)
