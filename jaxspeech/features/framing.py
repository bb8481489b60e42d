"""How audio is cut into frames, in samples."""

import math
from typing import NamedTuple

from jaxspeech.errors import ConfigError


class Framing(NamedTuple):
    """Lengths in samples.

    Attributes:
      window: samples of audio that a frame sees.
      hop: from the start of one frame to the next.
      fft: points of each frame's Fourier transform.
    """

    window: int
    hop: int
    fft: int


def hop_samples(*, sample_rate: int, hop_seconds: float) -> int:
    """Samples from the start of one frame to the next; the fraction of one is dropped."""
    return int(hop_seconds * sample_rate)


def framing(*, sample_rate: int, window_seconds: float, hop_seconds: float, fft_size: int | None) -> Framing:
    """Seconds to samples; fractions of a sample are dropped, and without `fft_size` the next power of two serves.

    Raises:
      ConfigError: for an empty window or hop, or a window longer than the transform.
    """
    window = int(window_seconds * sample_rate)
    hop = hop_samples(sample_rate=sample_rate, hop_seconds=hop_seconds)
    if window < 1 or hop < 1:
        raise ConfigError(
            f"window_seconds {window_seconds} and hop_seconds {hop_seconds} must hold a sample at {sample_rate} Hz"
        )
    fft = fft_size or 1 << math.ceil(math.log2(window))
    if fft < window:
        raise ConfigError(f"fft_size {fft} is shorter than the window of {window} samples: choose at least that")
    return Framing(window, hop, fft)
