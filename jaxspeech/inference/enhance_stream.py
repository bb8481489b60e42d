"""Enhances live audio: samples of any rate in parts of any length, each answered by what is ready."""

from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.blocks import Resampler
from jaxspeech.audio.convert import to_channels
from jaxspeech.audio.resample import check_rate
from jaxspeech.errors import AudioError
from jaxspeech.forms.enhancement_streaming import EnhancementStreaming
from jaxspeech.inference.enhance_programs import EnhancePrograms
from jaxspeech.types import Variables


class EnhanceStream:
    """One live recording: `feed(samples)` returns enhanced samples, `finish()` the last ones; none is missing.

    Attributes:
      latency_seconds: the longest time from a sample's arrival until all is there that it needs, at the model's rate.
    """

    def __init__(
        self,
        streaming: EnhancementStreaming,
        programs: EnhancePrograms,
        variables: Variables,
        *,
        sample_rate: int | None,
        wet: float,
        step: int,
    ):
        """Opens the stream; `step` hops are processed together, and `wet` is the share of the enhanced samples."""
        self._streaming, self._programs, self._variables = streaming, programs, variables
        self._rate = streaming.sample_rate if sample_rate is None else int(check_rate(sample_rate))
        self._wet, self._size = wet, step * streaming.hop
        self.latency_seconds = streaming.latency_seconds + (step - 1) * streaming.hop / streaming.sample_rate
        self._into: Resampler | None = None
        self._back: Resampler | None = None
        self._state: Any = None
        self._held = np.zeros((1, 0), np.float32)
        self._dry = np.zeros((1, 0), np.float32)
        self._late = streaming.delay
        self._heard = self._returned = 0
        self._flat = self._finished = False

    def warm_up(self) -> None:
        """Compiles the step, which the first samples would wait for."""
        self._open(1)
        zeros = np.zeros((1, 1, self._size), np.float32)
        self._programs.step(self._streaming, self._variables, self._state, zeros)

    def feed(self, samples: Any) -> Float[np.ndarray, "*channels S"]:
        """Takes the next samples ([S], or [C S]; floats in [-1, 1] or integers), returns those that are ready.

        Raises:
          AudioError: the stream is finished, or these are not samples.
        """
        if self._finished:
            raise AudioError("the stream is finished; open a new one")
        if not np.size(samples):
            return self._shaped(self._held[:, :0])
        samples = np.asarray(samples)
        self._flat = samples.ndim == 1
        block = to_channels(samples, name="live audio")
        if self._into is None:
            self._open(block.shape[0])
        assert self._into is not None and self._back is not None
        if block.shape[0] != self._held.shape[0]:
            raise AudioError(f"live audio: {block.shape[0]} channels after {self._held.shape[0]}")
        self._heard += block.shape[1]
        return self._shaped(self._ready(self._back.push(self._processed(self._into.push(block)))))

    def finish(self) -> Float[np.ndarray, "*channels S"]:
        """Ends the stream and returns the rest: in all as many samples as were fed."""
        self._finished = True
        if self._into is None:
            return np.zeros(0, np.float32)
        assert self._back is not None
        rest = self._into.finish()
        # Zeros that bring out the last samples, and fill the last step.
        missing = self._streaming.delay + -(self._held.shape[1] + rest.shape[1] + self._streaming.delay) % self._size
        enhanced = self._processed(np.pad(rest, ((0, 0), (0, missing))))
        found = np.concatenate([self._back.push(enhanced), self._back.finish()], axis=1)
        short = self._heard - self._returned - found.shape[1]
        return self._shaped(self._ready(np.pad(found, ((0, 0), (0, max(short, 0))))))

    def _open(self, channels: int) -> None:
        model_rate = self._streaming.sample_rate
        self._into, self._back = (
            Resampler(self._rate, model_rate, channels),
            Resampler(model_rate, self._rate, channels),
        )
        self._held = np.zeros((channels, 0), np.float32)
        self._dry = np.zeros((channels, self._streaming.delay), np.float32)
        self._state = self._streaming.start(channels, 1)

    def _processed(self, block: Float[np.ndarray, "C S"]) -> Float[np.ndarray, "C R"]:
        """What the model returns for all whole steps, without the zeros that come before the first sample."""
        self._held = np.concatenate([self._held, block], axis=1)
        found = [self._held[:, :0]]
        while self._held.shape[1] >= self._size:
            samples, self._held = self._held[:, : self._size], self._held[:, self._size :]
            enhanced, self._state = self._programs.step(
                self._streaming, self._variables, self._state, np.ascontiguousarray(samples[:, None])
            )
            part = np.asarray(enhanced)[:, 0]
            self._dry = np.concatenate([self._dry, samples], axis=1)
            dry, self._dry = self._dry[:, : self._size], self._dry[:, self._size :]
            part = part if self._wet == 1.0 else (self._wet * part + (1.0 - self._wet) * dry).astype(np.float32)
            skipped = min(self._late, self._size)
            self._late -= skipped
            found.append(part[:, skipped:])
        return np.concatenate(found, axis=1)

    def _ready(self, found: Float[np.ndarray, "C S"]) -> Float[np.ndarray, "C R"]:
        """No more samples than were fed."""
        found = found[:, : self._heard - self._returned]
        self._returned += found.shape[1]
        return found

    def _shaped(self, found: Float[np.ndarray, "C S"]) -> Float[np.ndarray, "*channels S"]:
        return found[0] if self._flat and found.shape[0] == 1 else found
