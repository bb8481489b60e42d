"""What all live streams share: samples of any rate are fed in parts of any length, until the stream ends."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import soxr
from jaxtyping import Float

from jaxspeech.audio.convert import to_samples
from jaxspeech.audio.resample import check_rate
from jaxspeech.errors import AudioError


class LiveInput(ABC):
    """One live recording.

    Args:
      name: of the recording, for errors.
      sample_rate: of the samples, in Hz; None: the model's.
      model_rate: the model's sample rate, in Hz.
    """

    def __init__(self, name: str, *, sample_rate: int | None, model_rate: int):
        self._name = name
        self._ended = False
        rate = model_rate if sample_rate is None else check_rate(sample_rate)
        self._resampler = soxr.ResampleStream(rate, model_rate, 1, dtype="float32") if rate != model_rate else None

    @property
    @abstractmethod
    def ready(self) -> bool:
        """Whether the next step would process a part of this stream."""

    @abstractmethod
    def _take(self, samples: Float[np.ndarray, " S"]) -> None:
        """Takes the next samples, at the model's rate."""

    @abstractmethod
    def _close(self) -> None:
        """Is called once, after the last samples."""

    def push(self, samples: Any) -> None:
        """Takes the next samples for a later step of all streams.

        Args:
          samples: [S], any number of them: floats in [-1, 1] or integers.

        Raises:
          AudioError: the stream has ended, or these are not samples.
        """
        if self._ended:
            raise AudioError(f"{self._name}: the stream has ended; open a new one")
        if np.size(samples):
            converted = to_samples(samples, name=self._name)
            self._take(converted if self._resampler is None else self._resampler.resample_chunk(converted))

    def end(self) -> None:
        """Marks the end of the samples; the next steps process the rest, and then the stream frees its place."""
        if self._ended:
            return
        if self._resampler is not None:
            self._take(self._resampler.resample_chunk(np.zeros(0, np.float32), last=True))
        self._ended = True
        self._close()
