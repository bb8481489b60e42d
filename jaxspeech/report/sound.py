"""Makes what a page plays and shows of a recording: its samples and a mel spectrogram, computed without a model."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jaxspeech.report.utterance import Piece, ReplayedAudio

# Of the picture: distance and length of frames in seconds, number of bands, floor of the logarithm below the loudest.
HOP, WINDOW, BANDS, DECIBELS = 0.01, 0.025, 64, 80.0


def heard(samples: Float[np.ndarray, " S"], sample_rate: int, words: Sequence[Piece] = ()) -> ReplayedAudio:
    """The audio of an utterance, with the words below its picture.

    Args:
      samples: waveform in [-1, 1].
      sample_rate: in Hz.
      words: with times from the beginning of the samples.
    """
    return ReplayedAudio(samples, sample_rate, decibels(np.asarray(samples, np.float64), sample_rate), tuple(words))


def decibels(samples: Float[np.ndarray, " S"], sample_rate: int) -> Float[np.ndarray, "T F"]:
    """A mel spectrogram in dB, at most `DECIBELS` below its loudest place."""
    hop, window = max(1, round(HOP * sample_rate)), max(2, round(WINDOW * sample_rate))
    count = max(1, 1 + (len(samples) - window) // hop)
    padded = np.pad(samples, (0, max(0, (count - 1) * hop + window - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop][:count]
    power = np.abs(np.fft.rfft(frames * np.hanning(window), axis=-1)) ** 2
    # The edges of the bands are evenly spaced in mel; every band has a bin at least.
    top = 2595 * np.log10(1 + sample_rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, BANDS + 1) / 2595) - 1) / (sample_rate / 2) * (power.shape[1] - 1)
    first = np.minimum(edges[:-1].astype(int), power.shape[1] - 1)
    last = np.maximum(np.ceil(edges[1:]).astype(int), first + 1)
    sums = np.concatenate([np.zeros((count, 1)), power.cumsum(-1)], -1)
    energy = (sums[:, last] - sums[:, first]) / (last - first)
    levels = 10 * np.log10(np.maximum(energy, 1e-20))
    return np.maximum(levels, levels.max() - DECIBELS).astype(np.float32)
