"""The loss of pitch by hand."""

import numpy as np

from jaxspeech.losses.pitch import pitch_loss


def test_by_hand():
    voiced = np.array([[0.0, 2.0, -1.0, np.nan], [np.nan] * 4], np.float32)
    octaves = np.array([[0.5, 1.0, 7.0, np.inf], [np.nan] * 4], np.float32)
    pitch = np.array([[100.0, 400.0, 0.0, np.nan], [np.nan] * 4], np.float32)
    mask = np.array([[True, True, True, False], [False] * 4])
    losses = pitch_loss(voiced, octaves, pitch, mask, centre=100.0)
    first = np.log(2) + 4 * 0.5
    second = np.log1p(np.exp(-2)) + 4 * abs(1 - 2)
    third = np.log1p(np.exp(-1))  # unvoiced, and said to be: its octaves do not matter
    np.testing.assert_allclose(losses, [(first + second + third) / 3, 0], rtol=1e-6)
