"""Tests that live frames are those of the whole recording, however the audio arrives."""

import numpy as np
import pytest

from jaxspeech.errors import AudioError, ConfigError
from jaxspeech.pipelines.classifier import Classifier
from tests.pipelines.frame_model import MODEL, frame_archive
from tests.surgery.test_classes import MODEL as CLIPS

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def vad():
    return Classifier(frame_archive())


def streamed(vad, samples, **options):
    stream, parts, at = vad.stream(**options), [], 0
    while at < len(samples):
        size = int(RNG.integers(1, 4000))
        parts.append(stream.feed(samples[at : at + size]))
        at += size
    parts.append(stream.finish())
    return stream, np.concatenate(parts)


@pytest.mark.parametrize("count", [150, 700, 3200, 16000, 40077])
def test_frames_are_those_of_the_whole_recording(vad, count):
    samples = (RNG.normal(size=count) * 0.1).astype(np.float32)
    stream, found = streamed(vad, samples)
    expected = vad.classify([samples], on_error="skip")[0].probabilities
    if count < 400:  # less than a window of the features
        expected = np.zeros((0, 2))
        found = found[:0]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    with pytest.raises(AudioError, match="the stream is finished"):
        stream.feed(samples)


@pytest.mark.parametrize(("look_ahead", "frames"), [((0, 0, 0), 0), ((1, 2, 1), 7), ((-1, 0, 4), 11)])
def test_look_ahead_of_the_kernels_is_the_latency(look_ahead, frames):
    """Property: whatever the pieces, steps equal the whole recording, and nothing later has been waited for."""
    blocks = [
        {**block, "look_ahead": ahead} for block, ahead in zip(MODEL["encoder"]["blocks"], look_ahead, strict=True)
    ]
    vad = Classifier(frame_archive(MODEL | {"encoder": MODEL["encoder"] | {"blocks": blocks}}))
    samples = (RNG.normal(size=48000) * 0.1).astype(np.float32)
    [expected] = vad.classify([samples])
    for step in (1, 5):
        stream, found = streamed(vad, samples, step=step)
        np.testing.assert_allclose(found, expected.probabilities, atol=1e-5)
        assert stream.latency_seconds == pytest.approx((frames + step - 1) * 0.02)
    # A change of the first sample that a frame must not see changes no frame before.
    changed = samples.copy()
    changed[(70 + frames) * 320 :] += 0.5
    other = vad.classify([changed])[0].probabilities
    np.testing.assert_allclose(other[:70], expected.probabilities[:70], atol=1e-6)
    assert np.abs(other[70:76] - expected.probabilities[70:76]).max() > 1e-4


def test_less_look_ahead_is_sooner_and_looks_at_nothing_later(vad):
    samples = (RNG.normal(size=20000) * 0.1).astype(np.float32)
    whole, found = streamed(vad, samples)
    sooner, near = streamed(vad, samples, look_ahead=4)
    assert sooner.latency_seconds == pytest.approx(0.16) and sooner.latency_seconds < whole.latency_seconds
    assert near.shape == found.shape and np.abs(near - found).max() > 1e-6
    stream = vad.stream(look_ahead=4)
    np.testing.assert_array_equal(stream.feed(samples[: 9 * 320]), near[:5])  # nothing after 4 more frames was needed
    with pytest.raises(ConfigError, match="look_ahead is -1"):
        vad.stream(look_ahead=-1)
    with pytest.raises(ConfigError, match="classifies whole recordings, so that it cannot run live"):
        Classifier(frame_archive(CLIPS)).stream()
