"""What a recogniser hears of spoken texts, and of recordings of the same texts."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float


class Heard(NamedTuple):
    """Transcripts; None without a recogniser, a recording, or where it failed."""

    spoken: str | None
    recorded: str | None


class Listener:
    """Hears recordings in batches, so that no more than one batch of samples is kept.

    Args:
      recognizer: a `Recognizer`; None hears nothing.
      sample_rate: of the recordings, in Hz.
      batch_size: of the recogniser.
    """

    def __init__(self, recognizer: Any, *, sample_rate: int, batch_size: int):
        self._recognizer, self._sample_rate, self._batch_size = recognizer, sample_rate, batch_size
        self._waiting: list[tuple[Float[np.ndarray, " S"], Float[np.ndarray, " R"]]] = []
        self._heard: list[Heard] = []

    def add(self, spoken: Float[np.ndarray, " S"], recorded: Float[np.ndarray, " R"]) -> int:
        """Takes a spoken text and its recording, which is empty if there is none; returns its place in `heard`."""
        number = len(self._heard) + len(self._waiting)
        if self._recognizer is None:
            self._heard.append(Heard(None, None))
            return number
        self._waiting.append((spoken, recorded))
        if len(self._waiting) >= self._batch_size:
            self.heard()
        return number

    def heard(self) -> Sequence[Heard]:
        """Returns what was heard of everything that was added."""
        if self._waiting:
            pairs = zip(*(self._texts(list(part)) for part in zip(*self._waiting, strict=True)), strict=True)
            self._heard += [Heard(*pair) for pair in pairs]
            self._waiting.clear()
        return self._heard

    def _texts(self, samples: Sequence[Float[np.ndarray, " _"]]) -> list[str | None]:
        texts: list[str | None] = [None] * len(samples)
        places = [i for i, x in enumerate(samples) if len(x)]
        if self._recognizer is not None and places:
            options = {"sample_rate": self._sample_rate, "batch_size": self._batch_size}
            found = self._recognizer.transcribe([samples[i] for i in places], on_error="skip", **options)
            for i, hypothesis in zip(places, found, strict=True):
                texts[i] = None if hypothesis.error is not None else hypothesis.text
        return texts
