"""Reads recordings for enhancement: block by block, with all their channels, again from the start if needed."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.blocks import BLOCK_SECONDS, Resampler, Stored, open_recording
from jaxspeech.audio.convert import Channel, mix_down, to_channels
from jaxspeech.audio.resample import check_rate
from jaxspeech.audio.spool import spool
from jaxspeech.errors import ManifestError
from jaxspeech.inference.inputs import PIPE, Recording


class Source:
    """A recording that is read for a model.

    Args:
      recording: the recording.
      model_rate: in Hz.
      array_rate: of samples in an array, in Hz; None: the model's.
      channel: the only one that is used, or "mean"; None: all.

    Attributes:
      stored: how its samples are stored; set by `blocks`.
      heard: samples at its own rate that `blocks` has read.
    """

    def __init__(self, recording: Recording, *, model_rate: int, array_rate: int | None, channel: Channel | None):
        self.stored: Stored | None = None
        self.heard = 0
        self._recording, self._model_rate, self._array_rate = recording, model_rate, array_rate
        self._channel: Channel | None = channel if recording.channel is None else recording.channel
        self._copy: Any = None

    def blocks(self) -> Iterator[Float[np.ndarray, "C S"]]:
        """Yields the samples at the model's rate, from the start.

        Raises:
          SpeechError: it cannot be read.
        """
        if self._recording.problem:
            raise ManifestError(self._recording.problem)
        self.heard, resampler = 0, None
        for block in self._own_blocks():
            if self._channel is not None:
                block = mix_down(block.T, channel=self._channel, name=self._recording.source)[None]
            self.heard += block.shape[1]
            if resampler is None:
                assert self.stored is not None
                resampler = Resampler(self.stored.rate, self._model_rate, block.shape[0])
            yield resampler.push(block)
        if resampler is not None:
            yield resampler.finish()

    def close(self) -> None:
        """Frees the copy of what could be read only once."""
        if self._copy is not None:
            self._copy.close()

    def _own_blocks(self) -> Iterator[Float[np.ndarray, "C S"]]:
        """The samples of all channels at their own rate."""
        recording, audio = self._recording, self._recording.audio
        if not (isinstance(audio, Path) or (isinstance(audio, str) and audio == PIPE)):
            samples = to_channels(audio, name=recording.source)
            rate = self._model_rate if self._array_rate is None else check_rate(self._array_rate)
            self.stored = Stored(int(rate), samples.shape[0])
            size = round(BLOCK_SECONDS * rate)
            yield from (samples[:, start : start + size] for start in range(0, samples.shape[1], size))
            return
        if audio == PIPE and self._copy is None:
            self._copy = spool(sys.stdin.buffer, name=PIPE)
        place: Any = {"offset": recording.offset, "duration": recording.duration, "name": recording.source}
        with contextlib.ExitStack() as stack:
            opened = stack.enter_context(open_recording(audio if self._copy is None else self._copy, **place))
            self.stored = opened.stored
            yield from opened.blocks()
