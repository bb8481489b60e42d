"""Tests the energy of frames against their Fourier transforms in float64."""

from functools import partial

import jax
import numpy as np
import pytest
from scipy.signal import get_window

from jaxspeech.features.energy import frame_energy

FFT, WINDOW = 64, 40


@pytest.mark.parametrize("hop", [16, 50])
def test_energy_is_the_norm_of_the_spectrum(hop):
    samples = np.random.default_rng(0).normal(size=(2, 150)).astype(np.float32) + 0.5
    lengths = np.array([150, 90])
    samples[1, 90:] = np.nan
    run = jax.jit(partial(frame_energy, fft_size=FFT, hop=hop, window_size=WINDOW))
    found = np.asarray(run(samples, lengths))
    assert found.shape == (2, 150 // hop + 1)
    window = np.pad(get_window("hann", WINDOW, fftbins=False), (FFT - WINDOW) // 2)
    for row, x, n in zip(found, samples, lengths, strict=True):
        padded = np.pad(x[:n].astype(np.float64), (FFT // 2, FFT))
        frames = [np.linalg.norm(np.fft.rfft(window * padded[i : i + FFT])) for i in range(0, n, hop)]
        np.testing.assert_allclose(row[: n // hop], frames[: n // hop], rtol=1e-5)
        assert not row[n // hop :].any()
