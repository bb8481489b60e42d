"""Compares segments and smoothed probabilities with those of NeMo's loops."""

import numpy as np
import pytest

from jaxspeech.audio.smoothing import smooth
from jaxspeech.audio.speech_segments import SegmentOptions, speech_segments, thresholds
from tests.parity.reference import arrays_of

NAMES = {"min_duration_on": "min_speech", "min_duration_off": "min_silence"}


@pytest.fixture(scope="module")
def nemo(request):
    return arrays_of("vad_post", request)


def options_of(given, **more):
    fields = {NAMES.get(name, name): value for name, value in given.items() if name != "filter_speech_first"}
    return SegmentOptions(**fields, silence_first=given.get("filter_speech_first", 1.0) != 1.0, **more)


def test_segments(nemo):
    arrays, notes = nemo
    compared = 0
    for name, expected in arrays.items():
        if not name.startswith("seg."):
            continue
        _, case, number, *rest = name.split(".")
        frame = 0.02 if rest else 0.01
        options = options_of(notes["params"][int(number)], last_frame=False)
        ours = speech_segments(arrays[f"prob.{case}"], frame_seconds=frame, options=options)
        np.testing.assert_allclose(ours, expected.reshape(-1, 3)[:, :2], atol=1e-6, err_msg=name)
        compared += 1
    assert compared > 0


def test_smoothing(nemo):
    arrays, _ = nemo
    names = [name for name in arrays if name.startswith("smooth.")]
    for name in names:
        _, case, method, setting = name.split(".", 3)
        overlap, window, shift = map(float, setting.split("_"))
        options = {"overlap": overlap, "window_seconds": window, "shift_seconds": shift}
        ours = smooth(arrays[f"prob.{case}"], method, **options)
        np.testing.assert_allclose(ours, arrays[name], atol=1e-5, err_msg=name)
    assert names


def test_thresholds(nemo):
    arrays, notes = nemo
    found = {name: values for name, values in notes.items() if name.startswith("thresholds.")}
    for name, expected in found.items():
        _, case, scale = name.split(".")
        options = SegmentOptions(onset=0.6, offset=0.3, scale=scale)
        np.testing.assert_allclose(thresholds(arrays[f"prob.{case}"], options), expected, atol=1e-6, err_msg=name)
    assert found
