"""Tests that a gate finds the segments of the whole recording, and that only they are recognised, each by itself."""

import numpy as np
import pytest

from jaxspeech.audio.speech_gate import GateOptions, SpeechGate
from jaxspeech.audio.speech_segments import SegmentOptions, speech_segments
from jaxspeech.errors import AudioError, ConfigError
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.live import StepTimes, transcribe_live
from jaxspeech.pipelines.classifier import Classifier
from tests.inference.test_streaming import recognizer, speech
from tests.pipelines.frame_model import frame_archive
from tests.surgery.test_classes import MODEL as CLIPS

RNG = np.random.default_rng(0)


def test_closed_segments_are_those_of_the_whole():
    """Property: for random probabilities and thresholds, however the frames arrive."""
    for _ in range(200):
        p = RNG.random(int(RNG.integers(1, 120))).astype(np.float32)
        p = np.convolve(p, np.ones(3) / 3, "same").astype(np.float32)
        chosen = {"onset": RNG.uniform(0.3, 0.7), "offset": RNG.uniform(0.3, 0.6)}
        chosen |= {name: RNG.integers(0, 8) * 0.02 for name in ("pad_onset", "pad_offset", "min_silence")}
        gate, spans, at = SpeechGate(GateOptions(**chosen), frame_seconds=0.02), [], 0
        while at < len(p):
            size = int(RNG.integers(1, 9))
            earliest, found = gate.earliest, list(gate.feed(p[at : at + size]))
            assert all(segment.start >= earliest - 1e-9 or not segment.closed or at for segment in found)
            spans += [segment[:2] for segment in found if segment.closed]
            at += size
        spans += [segment[:2] for segment in gate.finish()]
        duration = len(p) * 0.02
        expected = speech_segments(p, frame_seconds=0.02, options=SegmentOptions(**chosen), duration=duration)
        clipped = [(start, min(end, duration)) for start, end in spans if start < duration]
        np.testing.assert_allclose(np.reshape(clipped, (-1, 2)), expected, atol=1e-6)


@pytest.fixture(scope="module")
def vad():
    return Classifier(frame_archive())


@pytest.fixture(scope="module")
def heard(vad):
    """A recording with several segments, and the thresholds that make them."""
    audio = np.concatenate([speech(3, 1.3), np.zeros(12000, np.float32), speech(4, 1.1), speech(5, 0.9) * 0.01])
    p = vad.classify([audio])[0].probabilities[:, 1]
    gate = {"onset": float(np.quantile(p, 0.6)), "offset": float(np.quantile(p, 0.5))}
    return audio, gate | {"pad_onset": 0.04, "pad_offset": 0.02, "min_silence": 0.08}


def test_each_segment_is_recognised_by_itself(vad, heard):
    audio, gate = heard
    asr = recognizer("ctc")
    [found] = vad.segments([audio], postprocessing=gate)
    assert len(found.segments) > 1
    streams = asr.gated_streams(2, vad, gate=gate, look_ahead=2, timestamps=True)
    stream, other = streams.open("a"), streams.open("b", offset=5.0)
    at, waited = 0, None
    while at < len(audio):
        size = int(RNG.integers(100, 5000))
        for each in (stream, other):
            each.push(audio[at : at + size])
        at += size
        while stream.ready or other.ready:
            streams.step()
        if stream.spans and waited is None:
            waited = at / 16000 - stream.spans[0][1]
    whole = stream.finish()
    other.finish()
    np.testing.assert_allclose(stream.spans, found.segments, atol=1e-4)
    for (start, end), utterance, later in zip(stream.spans, stream.utterances, other.utterances, strict=True):
        alone = asr.transcribe([audio[round(start * 16000) : round(end * 16000)]], timestamps=True)[0]
        assert utterance.text == alone.text == later.text
        times = [(word.start + start, word.end + start) for word in alone.words]
        np.testing.assert_allclose([word[1:3] for word in utterance.words], times, atol=1e-4)
        np.testing.assert_allclose([word[1:3] for word in later.words], np.add(times, 5.0), atol=1e-4)
    spoken = [utterance.text for utterance in stream.utterances if utterance.text]
    assert whole.text.split() == " ".join(spoken).split() and whole.duration == len(audio) / 16000
    assert len(whole.words) == sum(len(utterance.words) for utterance in stream.utterances)
    # 19 frames of look-ahead and 4 others of the step, then a silence of 0.08 + 0.04 + 0.02 s.
    assert stream.closing_seconds == pytest.approx(0.02 * (19 + 4) + 0.14)
    assert waited is not None and waited <= stream.closing_seconds + 5000 / 16000
    assert stream.done and other.done
    with pytest.raises(AudioError, match="the stream has ended"):
        stream.push(audio)


def test_files_through_a_gate_and_silence(vad, heard):
    audio, gate = heard
    asr = recognizer("ctc")
    files = {"whole": audio, "nothing": np.zeros(0, np.float32)}
    streams = asr.gated_streams(1, vad, gate=gate, look_ahead=2)
    recordings = [Recording(name) for name in files]
    shown = []
    found = list(transcribe_live(streams, recordings, lambda r: files[r.source], show=shown.append, times=StepTimes()))
    stream = asr.stream(voice_activity=vad, gate=gate, look_ahead=2)
    list(stream.feed(audio))
    assert found[0].text == stream.finish().text != "" and found[1].text == "" and found[0].source == "whole"
    assert asr.stream(voice_activity=vad, gate={"onset": 1.0}, look_ahead=2).finish().text == ""


def test_what_cannot_gate_is_one_line(vad):
    asr = recognizer("ctc")
    for call, message in (
        (lambda: asr.gated_streams(1, vad, gate={"min_silences": 1}), "min_silences is not an option of the gate"),
        (lambda: asr.gated_streams(1, vad, gate={"pad_onset": -1}), "gate: pad_onset is -1"),
        (lambda: asr.stream(voice_activity=Classifier(frame_archive(CLIPS))), "so that it cannot run live"),
        (lambda: asr.stream(gate={}), "gate: says how voice_activity is used"),
    ):
        with pytest.raises(ConfigError, match=message):
            call()
