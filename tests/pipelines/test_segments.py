"""Tests segments of speech of a model of frames, in short recordings and in windows of long ones."""

import jax
import numpy as np
import pytest

from jaxspeech.audio.speech_segments import SegmentOptions, speech_segments
from jaxspeech.audio.voice_activity import VoiceActivity
from jaxspeech.builder import build
from jaxspeech.errors import AudioError, ConfigError
from jaxspeech.forms.receptive_field import receptive_field
from jaxspeech.inference import clip_windows, dense
from jaxspeech.inference import rows as of_rows
from jaxspeech.pipelines.classifier import Classifier
from tests.pipelines.frame_model import MODEL, frame_archive
from tests.surgery.test_classes import MODEL as CLIPS

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def vad():
    return Classifier(frame_archive())


def test_long_recordings_are_exactly_those_of_one_pass(vad, monkeypatch):
    monkeypatch.setattr(of_rows, "FULL_BATCH_SECONDS", 1.0)
    monkeypatch.setattr(dense, "KEPT_SECONDS", 0.7)
    in_windows = Classifier(frame_archive())
    for count in (16000 * 4 + 77, 17000):
        samples = (RNG.normal(size=count) * 0.1).astype(np.float32)
        whole, frames = vad.task.inference.probs(vad.variables, samples[None], np.array([count]))
        [found] = in_windows.classify([samples])
        assert len(found.probabilities) == frames[0] == -(-(count // 160) // 2)
        np.testing.assert_allclose(found.probabilities, whole[0, : frames[0]], atol=1e-6)


def test_the_receptive_field_is_where_a_sample_has_an_effect(vad):
    reach = receptive_field(build(MODEL).model)
    samples = (RNG.normal(size=32000) * 0.1).astype(np.float32)
    other = samples.copy()
    other[16000] += 0.5
    probs = jax.jit(lambda x: vad.task.inference.probs(vad.variables, x, np.array([32000, 32000]))[0])
    before, after = probs(np.stack([samples, other]))
    changed = np.flatnonzero(np.abs(before - after).max(1) > 0)
    # The sample is the first of frame 50: of the frames before it, those look at it whose look-ahead reaches it.
    assert 49 - reach.after <= changed.min() < changed.max() <= 50 + reach.before
    assert changed.min() < 52 - reach.after and changed.max() > 48 + reach.before
    for part, change in (
        ("features", {"normalize": "per_feature"}),
        ("encoder", {"blocks": ({"filters": 6, "kernel": 3, "squeeze_excite": True, "se_reduction": 2},)}),
    ):
        assert receptive_field(build(MODEL | {part: MODEL[part] | change}).model) is None


def test_segments_are_those_of_the_probabilities(vad):
    samples = [(RNG.normal(size=n) * 0.1).astype(np.float32) for n in (16000, 9000)]
    chosen = {"onset": 0.5, "offset": 0.45, "min_silence": 0.05}
    classified = vad.classify(samples)
    for found, one in zip(vad.segments(samples, postprocessing=chosen), classified, strict=True):
        np.testing.assert_array_equal(found.probabilities, one.probabilities[:, 1])
        options = SegmentOptions(**chosen)
        spans = speech_segments(found.probabilities, frame_seconds=0.02, options=options, duration=one.duration)
        assert found.segments == [tuple(span) for span in spans.tolist()] and found.frame_seconds == 0.02
    [background] = vad.segments(samples[0], label="background")
    np.testing.assert_array_equal(background.probabilities, classified[0].probabilities[:, 0])
    # As the detector of Recognizer.transcribe.
    assert isinstance(vad, VoiceActivity) and vad(samples[0], 16000) == vad.segments(samples[:1])[0].segments


def test_what_cannot_be_searched_is_one_line(vad):
    noise = np.zeros(16000, np.float32)
    for call, message in (
        (lambda: vad.segments(noise, label="music"), "label 'music' is not a class of the model"),
        (lambda: vad.segments(noise, postprocessing={"onsets": 1}), "onsets is not an option of segments"),
        (lambda: vad.classify(noise, top_k=0), "top_k is 0"),
    ):
        with pytest.raises(ConfigError, match=message):
            call()
    with pytest.raises(AudioError, match="array 0: 10 ms of audio are too short; this model needs 25 ms or more"):
        vad.segments(noise[:160])
    [skipped] = vad.segments(noise[:160], on_error="skip")
    assert skipped.segments == [] and skipped.error
    clips = Classifier(frame_archive(CLIPS))
    for windows, message in (
        ({"secs": 1}, "secs is not an option of windows"),
        ({"seconds": 0.01}, "window_seconds is 0.01; a window needs 0.02 s or more"),
    ):
        with pytest.raises(ConfigError, match=message):
            clips.segments(noise, label="speech", windows=windows)
    with pytest.raises(ConfigError, match="windows are for a model of clips"):
        vad.segments(noise, windows={})


def test_windows_of_a_model_of_clips_pool_over_their_frames_of_the_whole(monkeypatch):
    """Across the borders of the pieces that are computed at once."""
    monkeypatch.setattr(clip_windows, "DENSE_WINDOWS", 37)
    clips, seconds = Classifier(frame_archive(CLIPS)), 0.2
    samples = (RNG.normal(size=16000 + 50) * 0.1).astype(np.float32)
    [found] = clips.segments([samples], windows={"seconds": seconds})
    assert len(found.probabilities) == 100 and found.frame_seconds == 0.01

    half, room = 1600, 3200  # and what the convolutions and the features see before and after it
    padded = np.pad(samples, (half + room, half + room))
    encoded, _ = clips.model.apply(clips.variables, padded[None], np.array([len(padded)]), method="encode")
    out = clips.variables["params"]["decoder"]["out"]
    means = np.stack([encoded[0, i + 20 : i + 20 + 21].mean(0) for i in range(100)])
    odds = np.exp(means @ out["kernel"] + out["bias"])
    np.testing.assert_allclose(found.probabilities, (odds / odds.sum(1, keepdims=True))[:, 1], atol=1e-5)


@pytest.mark.parametrize("features", [{"name": "mfcc"}, {"name": "mfcc", "log": False}, {"name": "mel", "pad_to": 8}])
def test_exact_windows_are_clips_of_their_own(features, monkeypatch):
    """Whether they share the features of their frames, or not, as decibels depend on the loudest."""
    monkeypatch.setattr(clip_windows, "EXACT_WINDOWS", 16)
    if features["name"] == "mel":
        features = features | {"num_mels": 8, "normalize": "none", "preemphasis": 0.97}
    else:
        features = features | {"num_mels": 8, "num_coefficients": 8}
    clips = Classifier(frame_archive(CLIPS | {"features": features}))
    samples = (RNG.normal(size=4000) * 0.1).astype(np.float32)
    size = 1607 if features.get("log", True) else 1600  # not a whole number of frames
    [found] = clips.segments([samples], windows={"seconds": size / 16000, "exact": True})
    padded = np.pad(samples, (size // 2, size))
    windows = np.stack([padded[i * 160 : i * 160 + size] for i in range(len(samples) // 160)])
    expected = [one.probabilities[1] for one in clips.classify(list(windows), batch_size=32)]
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
