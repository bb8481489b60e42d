"""Tests segments of speech against a state machine, and smoothing against one frame after the other."""

import numpy as np
import pytest

from jaxspeech.audio.smoothing import smooth
from jaxspeech.audio.speech_segments import SegmentOptions, is_speech, segment_options, speech_segments
from jaxspeech.errors import ConfigError

RNG = np.random.default_rng(0)


def state_machine(p, onset, offset):
    on, found = False, []
    for value in p:
        on = not value < offset if on else bool(value > onset)
        found.append(on)
    return found


@pytest.mark.parametrize(("onset", "offset"), [(0.5, 0.5), (0.7, 0.3), (0.4, 0.7), (0.0, 1.0), (1.0, 0.0)])
def test_frames_follow_the_state_machine(onset, offset):
    for _ in range(20):
        p = RNG.random(60).astype(np.float32).round(1)
        options = SegmentOptions(onset=onset, offset=offset)
        expected = state_machine(p, np.float32(onset), np.float32(offset))
        np.testing.assert_array_equal(is_speech(p, options), expected)


def test_the_last_frame_padding_and_the_end_of_the_recording():
    p = np.array([0, 1, 1, 0, 0, 0, 1, 1.0])
    np.testing.assert_allclose(speech_segments(p, frame_seconds=0.1), [[0.1, 0.3], [0.6, 0.8]])
    padded = SegmentOptions(pad_onset=0.2, pad_offset=0.05)
    np.testing.assert_allclose(
        speech_segments(p, frame_seconds=0.1, options=padded, duration=0.8), [[0, 0.35], [0.4, 0.8]]
    )
    joined = SegmentOptions(pad_onset=0.2, pad_offset=0.2)
    np.testing.assert_allclose(speech_segments(p, frame_seconds=0.1, options=joined, duration=0.75), [[0, 0.75]])
    for nothing in ([], [0.0, 0.0]):
        assert speech_segments(np.array(nothing), frame_seconds=0.1).shape == (0, 2)


def test_the_order_of_the_filters_matters():
    p = np.array([1, 0, 1, 1, 1, 0, 0, 0, 1, 0.0])
    options = {"min_speech": 0.15, "min_silence": 0.15}
    dropped_first = speech_segments(p, frame_seconds=0.1, options=SegmentOptions(**options))
    np.testing.assert_allclose(dropped_first, [[0.2, 0.5]])
    filled_first = speech_segments(p, frame_seconds=0.1, options=SegmentOptions(**options, silence_first=True))
    np.testing.assert_allclose(filled_first, [[0, 0.5]])


def test_no_segment_is_longer_than_the_longest():
    p = np.ones(1000) - 0.1 * RNG.random(1000)
    p[[140, 390]] = 0.6
    found = speech_segments(p, frame_seconds=0.01, options=SegmentOptions(max_speech=2.0))
    assert (found[:, 1] - found[:, 0] <= 2 + 1e-9).all() and 1.4 in found[:, 1].round(6)
    np.testing.assert_allclose(found[1:, 0], found[:-1, 1])
    assert found[0, 0] == 0 and found[-1, 1] == 10
    short = speech_segments(np.ones(7), frame_seconds=0.01, options=SegmentOptions(max_speech=0.01))
    np.testing.assert_allclose(short, np.stack([np.arange(7), np.arange(1, 8)], 1) / 100)


@pytest.mark.parametrize("method", ["mean", "median"])
def test_smoothing_combines_the_windows_before_each_frame(method):
    p, length, step = RNG.random(57).astype(np.float32), 16, 4
    ours = smooth(p, method, window_seconds=0.15, overlap=0.75)
    windows = [[p[i] for i in range(0, 57, step) if i <= t < i + length] for t in range(57)]
    np.testing.assert_allclose(ours, [getattr(np, method)(window) for window in windows], atol=1e-6)
    assert smooth(np.zeros(0), method, window_seconds=0.15, overlap=0.75).shape == (0,)


def test_wrong_options_are_named():
    with pytest.raises(ConfigError, match=r'onsets is not an option of segments; did you mean "onset"'):
        segment_options({"onsets": 0.5})
    for make, message in (
        (lambda: SegmentOptions(scale="rel"), "scale 'rel'"),
        (lambda: SegmentOptions(max_speech=0), "max_speech is 0"),
        (lambda: SegmentOptions(onset=50), "onset is 50; probabilities are compared with it"),
        (lambda: SegmentOptions(offset=float("nan")), "offset is nan"),
        (lambda: SegmentOptions(min_silence=-1), "min_silence is -1; it must be a number of seconds, 0 or more"),
        (lambda: smooth(np.ones(1), "max", window_seconds=0.1, overlap=0.5), "smoothing 'max'"),
        (lambda: smooth(np.ones(1), "mean", window_seconds=0.1, overlap=1.0), "use a smaller overlap"),
    ):
        with pytest.raises(ConfigError, match=message):
            make()
