"""Compares log-mel and MFCC features with NeMo's, in every setting of the reference file."""

import json
import math

import numpy as np
import pytest

from jaxspeech.features.mel import MelSpectrogram
from jaxspeech.features.mfcc import MFCC

# NeMo's name -> ours; the values are equal except for None and "NA".
FIELDS = {
    "sample_rate": "sample_rate",
    "window": "window",
    "window_size": "window_seconds",
    "window_stride": "hop_seconds",
    "n_fft": "fft_size",
    "features": "num_mels",
    "preemph": "preemphasis",
    "dither": "dither",
    "normalize": "normalize",
    "log": "log",
    "log_zero_guard_type": "log_guard",
    "log_zero_guard_value": "log_guard_value",
    "mag_power": "mag_power",
    "lowfreq": "low_hz",
    "highfreq": "high_hz",
    "mel_norm": "mel_norm",
    "pad_to": "pad_to",
    "pad_value": "pad_value",
    "exact_pad": "exact_pad",
    "frame_splicing": "frame_splicing",
}
NONE = {("normalize", "NA"), ("mel_norm", None)}

SETTINGS = (
    *("base80", "f64_w20_pad16", "f128", "none_norm", "all_features", "hamming_mag1", "clamp_guard", "preemph0"),
    *("htk_norm_none", "low_high", "exact_pad", "frame_splice2", "nolog", "nfft_none", "pad_value"),
)


def ours(setting: dict) -> MelSpectrogram:
    return MelSpectrogram(**{FIELDS[k]: "none" if (k, v) in NONE else v for k, v in setting.items()})


@pytest.fixture(scope="module")
def reference(refs):
    with np.load(refs / "preprocessors.npz") as arrays:
        return json.loads((refs / "preprocessors.json").read_text()), dict(arrays)


def assert_close(features, expected):
    error = np.asarray(features, np.float64) - expected
    rms = math.sqrt(np.mean(error**2))
    worst = np.abs(error).max()
    assert rms < 1e-4 and worst < 1e-3, f"RMS {rms:.1e}, worst {worst:.1e}"


def test_every_setting_is_listed(reference):
    settings, _ = reference
    assert {name for name, setting in settings.items() if isinstance(setting, dict)} == set(SETTINGS)


@pytest.mark.parametrize("name", SETTINGS)
def test_mel(reference, name):
    settings, arrays = reference
    features, num_frames = ours(settings[name]).apply({}, arrays["audio"], arrays["audio_len"])
    assert features.shape[2] == ours(settings[name]).num_features
    np.testing.assert_array_equal(num_frames, arrays[f"{name}_len"])
    assert_close(features, arrays[name].transpose(0, 2, 1))


@pytest.mark.parametrize("name", ["base80", "none_norm"])
def test_one_and_two_frames(reference, name):
    settings, arrays = reference
    features, num_frames = ours(settings[name]).apply({}, arrays["short"], arrays["short_len"])
    np.testing.assert_array_equal(num_frames, arrays[f"short_{name}_len"])
    assert_close(features, arrays[f"short_{name}"].transpose(0, 2, 1))


def test_mfcc(reference):
    _, arrays = reference
    features, num_frames = MFCC(window_seconds=0.025).apply({}, arrays["audio"], arrays["audio_len"])
    np.testing.assert_array_equal(num_frames, arrays["mfcc64_len"])
    # NeMo's padded frames are not zero; ours are. In a batch NeMo reflects only the longest recording at its end, which
    # the last two frames of the others show.
    longest = num_frames.max()
    for row, expected, count in zip(features, arrays["mfcc64"].transpose(0, 2, 1), num_frames, strict=True):
        same = count if count == longest else count - 2
        assert_close(row[:same], expected[:same])
        assert not np.any(row[count:])
