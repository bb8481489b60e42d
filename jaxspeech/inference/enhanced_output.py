"""Makes a recording again of what a model returns for its windows: cross-fades, its own rate, its own length."""

import contextlib
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.blocks import Resampler, Stored
from jaxspeech.errors import AudioError
from jaxspeech.inference.windows import Joiner

Write = Callable[[Float[np.ndarray, "C S"]], None]


# Where the samples of one result go: a context that gives a function to write them; after an error it drops them all.
Sink = Callable[[Stored], contextlib.AbstractContextManager[Write]]


class Output:
    """The result of one recording.

    Args:
      name: of the recording.
      stored: how it is stored; the result has its own number of channels.
      sink: is opened with the first samples.
      model_rate: in Hz.
      joiner: of overlapping windows; None: they are one after the other.
      late: samples that come before the first of the recording.
      wet: the share of the enhanced samples; the rest are those of the recording.

    Attributes:
      written: samples of each channel so far.
    """

    def __init__(
        self, name: str, stored: Stored, sink: Sink, *, model_rate: int, joiner: Joiner | None, late: int, wet: float
    ):
        self.written = 0
        self._name, self._stored, self._sink = name, stored, sink
        self._model_rate, self._joiner, self._late, self._wet = model_rate, joiner, late, wet
        self._stack = contextlib.ExitStack()
        self._write: Write | None = None
        self._back: Resampler | None = None
        self._channels = 0
        self._dry = np.zeros((stored.channels, late), np.float32)

    def take(self, dry: Float[np.ndarray, "C S"], found: Float[np.ndarray, "M S"], *, last: bool, heard: int) -> None:
        """Takes what the model returned for the next window.

        Args:
          dry: the window.
          found: the enhanced samples.
          last: whether the recording ends with it.
          heard: samples of the recording that were read so far; there are no more in the result.

        Raises:
          AudioError: the model returned something that is not finite.
          OutputError: the samples cannot be written.
        """
        if not np.isfinite(found).all():
            raise AudioError(f"{self._name}: what the model returns is not finite")
        if self._wet != 1.0:
            found = self._mixed(dry, found)
        if self._joiner is not None:
            found = self._joiner.add(found, last=last)
        skipped = min(self._late, found.shape[1])
        self._late -= skipped
        if self._back is None:
            self._channels = found.shape[0]
            self._back = Resampler(self._model_rate, self._stored.rate, self._channels)
            self._write = self._stack.enter_context(self._sink(self._stored._replace(channels=self._channels)))
        self._put(self._back.push(found[:, skipped:]), heard)

    def end(self, heard: int) -> None:
        """Writes the last samples, as many as the recording has, and closes the sink."""
        assert self._back is not None
        self._put(self._back.finish(), heard)
        if missing := heard - self.written:  # of rounding, twice
            self._put(np.zeros((self._channels, missing), np.float32), heard)
        self._stack.close()

    def drop(self, error: Exception) -> None:
        """Drops all that was written."""
        with contextlib.suppress(Exception):
            self._stack.__exit__(type(error), error, None)

    def _mixed(self, dry: Float[np.ndarray, "C S"], found: Float[np.ndarray, "M S"]) -> Float[np.ndarray, "M S"]:
        """The mixture with the recording, whose samples a stream returns late."""
        dry = np.concatenate([self._dry, dry], axis=1)
        dry, self._dry = dry[:, : found.shape[1]], dry[:, found.shape[1] :]
        dry = dry if dry.shape[0] == found.shape[0] else dry[:1]
        return (self._wet * found + (1.0 - self._wet) * dry).astype(np.float32)

    def _put(self, block: Float[np.ndarray, "M S"], heard: int) -> None:
        assert self._write is not None
        block = block[:, : heard - self.written]
        if block.shape[1]:
            self._write(block)
            self.written += block.shape[1]
