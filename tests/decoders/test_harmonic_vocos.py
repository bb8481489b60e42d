"""The source of the harmonic Vocos; whole, in parts and in batches it is tested in tests/tasks/test_vocoder.py."""

from typing import Any

import jax
import numpy as np
import pytest

from jaxspeech.decoders.harmonic_vocos import HarmonicVocos

RATE, HOP, SIZE, FRAMES = 16000, 16, 64, 250
GENERATOR = HarmonicVocos(
    width=2, hidden_width=2, num_layers=1, fft_size=SIZE, hop=HOP, sample_rate=RATE, low=500, high=2000
)


@pytest.fixture(scope="module")
def taught():
    """(level of the tone, level of the noise, pitch in Hz) -> samples of a model that knows nothing else."""
    mel = np.zeros((1, FRAMES, 3), np.float32)
    params: Any = jax.tree.map(
        lambda x: np.zeros(x.shape, x.dtype),
        jax.eval_shape(lambda: GENERATOR.init(jax.random.key(0), mel, np.array([FRAMES]))),
    )
    run = jax.jit(lambda *given: GENERATOR.apply(*given, method="taught"))

    def samples(tone: float, noise: float, pitch: Any) -> np.ndarray:
        bins = SIZE // 2 + 1
        params["params"]["out"]["bias"] = np.repeat([tone, 0, noise], bins).astype(np.float32)
        pitches = np.broadcast_to(np.asarray(pitch, np.float32), (1, FRAMES))
        return np.asarray(run(params, mel, np.array([FRAMES]), pitches).samples)[0]

    return samples


def test_a_tone_has_the_pitch_between_the_bins(taught):
    """The bins are at multiples of 250 Hz; a transform whose phases did not fit would have its peaks there."""
    for pitch in (610.0, 1187.0):
        spectrum = np.abs(np.fft.rfft(taught(3.0, -30.0, pitch) * np.hanning(FRAMES * HOP)))
        peaks = np.flatnonzero((spectrum[1:-1] > spectrum[:-2]) & (spectrum[1:-1] > spectrum[2:])) + 1
        peaks = peaks[np.argsort(spectrum[peaks])[-4:]] * RATE / (FRAMES * HOP)
        harmonics = peaks / pitch
        np.testing.assert_allclose(harmonics, np.round(harmonics), atol=8 / pitch)  # two bins of this long transform
        assert np.abs(harmonics.round()).min() >= 1


def test_noise_has_no_pitch_and_is_the_same_for_each_call(taught):
    noise = taught(-30.0, 3.0, 700.0)
    np.testing.assert_array_equal(noise, taught(-30.0, 3.0, 1500.0))
    spectrum = np.abs(np.fft.rfft(noise * np.hanning(len(noise)))) ** 2
    inside = spectrum[len(spectrum) // 10 : -len(spectrum) // 10]
    assert inside.max() < 20 * inside.mean()
    assert np.abs(noise[: len(noise) // 2] - noise[len(noise) // 2 :]).max() > noise.std()
