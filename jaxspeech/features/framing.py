"""Converts the framing of audio from seconds to samples."""

import math
from typing import NamedTuple

from jaxspeech.errors import ConfigError


class Framing(NamedTuple):
    """Lengths in samples.

    Attributes:
      window: length of a frame's window.
      hop: distance between the starts of consecutive frames.
      fft: length of each frame's Fourier transform.
    """

    window: int
    hop: int
    fft: int


def hop_samples(*, sample_rate: int, hop_seconds: float) -> int:
    """Samples from the start of one frame to the next, rounded down."""
    return int(hop_seconds * sample_rate)


def framing(*, sample_rate: int, window_seconds: float, hop_seconds: float, fft_size: int | None) -> Framing:
    """Convert seconds to samples, rounded down; `fft_size` defaults to the next power of two.

    Raises:
      ConfigError: the window or the hop is empty, or the window is longer than the transform.
    """
    window = int(window_seconds * sample_rate)
    hop = hop_samples(sample_rate=sample_rate, hop_seconds=hop_seconds)
    if window < 1 or hop < 1:
        raise ConfigError(
            f"window_seconds {window_seconds} and hop_seconds {hop_seconds} must be at least one sample long "
            f"at {sample_rate} Hz"
        )
    fft = fft_size or 1 << math.ceil(math.log2(window))
    if fft < window:
        raise ConfigError(f"fft_size {fft} is shorter than the window of {window} samples: use at least that")
    return Framing(window, hop, fft)
