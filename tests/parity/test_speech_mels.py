"""Compares the mel spectrograms of synthesis with NeMo's, and the gradient through the guard of a magnitude's root."""

import jax
import numpy as np
import pytest

from jaxspeech.features.mel import log_mel
from tests.parity.reference import arrays_of

# NeMo's name -> ours; sizes of windows are in samples there, and in seconds here.
FIELDS = {
    "sample_rate": "sample_rate",
    "n_fft": "fft_size",
    "nfilt": "num_mels",
    "lowfreq": "low_hz",
    "highfreq": "high_hz",
    "pad_to": "pad_to",
    "pad_value": "pad_value",
    "log_zero_guard_type": "log_guard",
    "log_zero_guard_value": "log_guard_value",
    "mag_power": "mag_power",
    "preemph": "preemphasis",
    "mel_norm": "mel_norm",
    "exact_pad": "exact_pad",
}
# NeMo's defaults for speech.
DEFAULTS = {"mag_power": 1.0, "preemphasis": None, "dither": 0.0, "normalize": "none"}
SETTINGS = ("fastpitch_22k", "fastpitch_44k", "fastpitch_16k_asr", "new_guard_one", "hifigan_22k", "hifigan_44k")


def ours(setting):
    setting = dict(setting)
    seconds = {
        "window_seconds": setting.pop("n_window_size") / setting["sample_rate"],
        "hop_seconds": setting.pop("n_window_stride") / setting["sample_rate"],
    }
    guard = {"power_guard": 1e-5 if setting.pop("use_grads", False) else 0.0}
    fields = {FIELDS[name]: value for name, value in setting.items()}
    if fields.get("mel_norm", "") is None:
        fields["mel_norm"] = "none"
    return DEFAULTS | seconds | guard | fields


@pytest.fixture
def nemo(request):
    return arrays_of("tts_mel", request)


@pytest.mark.parametrize("name", [*SETTINGS, "hifigan_22k_target"])
def test_mel(nemo, name):
    arrays, notes = nemo
    fields = ours(notes["configs"][name])
    rate = fields["sample_rate"]
    run = jax.jit(lambda samples, num_samples: log_mel(samples, num_samples, **fields))
    mel, num_frames = run(arrays[f"audio_{rate}"], arrays[f"audio_len_{rate}"].astype(np.int32))
    np.testing.assert_array_equal(num_frames, arrays[f"mel_len.{name}"])
    expected = arrays[f"mel.{name}"].transpose(0, 2, 1)
    # Powers of 1e-8 and less, in the silence of the 16 kHz one, have no more digits than that.
    np.testing.assert_allclose(mel, expected, atol=3e-4 if fields["mag_power"] == 2 else 1e-4)


def test_gradient_through_the_guard(nemo):
    arrays, notes = nemo
    fields = ours(notes["configs"]["hifigan_22k_target"])

    @jax.jit
    def gradient(samples):
        def weighted(samples):
            mel, _ = log_mel(samples, arrays["grad.audio_len"].astype(np.int32), **fields)
            return (mel * arrays["grad.weights"].transpose(0, 2, 1)).sum()

        return jax.grad(weighted)(samples)

    expected = arrays["grad.dloss_daudio"]
    np.testing.assert_allclose(gradient(arrays["grad.audio"]), expected, atol=1e-3 * np.abs(expected).max())
