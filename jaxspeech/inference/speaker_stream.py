"""Finds who speaks in live audio: streams open and close at any time; one batched call steps all that have enough.

streams = SpeakerStreams(compile_speakers(form, variables, size=32), variables, turns=...)
stream = streams.open("call 1")
new = stream.feed(samples)      # or stream.push(samples), and later streams.step()
new.probabilities, new.turns, stream.turns

A speaker keeps his column of the activity, and so his name, as long as the stream lasts.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from jaxspeech.diarization.turns import Turn
from jaxspeech.errors import ConfigError
from jaxspeech.forms.speaker_streaming import SpeakerStreaming
from jaxspeech.inference.live_input import LiveInput
from jaxspeech.inference.live_turns import LiveTurns
from jaxspeech.tasks.speaker_steps import Found, StepState
from jaxspeech.types import Variables


class SpeakerPrograms(NamedTuple):
    """The compiled functions for a fixed number of streams.

    Attributes:
      form: the streaming form that they were compiled from.
      size: streams of one call, B.
      prepare, start, step: see `SpeakerStreaming`; `step` donates the buffers of its state.
      renew: (state, rows [B]) -> the state, reset in these rows.
    """

    form: SpeakerStreaming
    size: int
    prepare: Callable[[Variables], Variables]
    start: Callable[[], StepState]
    step: Callable[[Variables, StepState, Any, Any], tuple[Found, StepState]]
    renew: Callable[[StepState, Any], StepState]


def compile_speakers(form: SpeakerStreaming, variables: Variables, *, size: int = 1) -> SpeakerPrograms:
    """Compiles everything in advance, so that no stream has to wait for a compilation.

    Raises:
      ConfigError: `size` is less than 1.
    """
    if size < 1:
        raise ConfigError(f"size is {size}; there must be at least 1 stream")

    def start() -> StepState:
        return form.start(size)

    def renew(state: StepState, rows: Bool[Any, " B"]) -> StepState:
        first = form.start(size)
        return jax.tree.map(lambda new, old: jnp.where(rows.reshape(-1, *[1] * (old.ndim - 1)), new, old), first, state)

    prepared, state = form.prepare(variables), jax.eval_shape(start)
    samples = jax.ShapeDtypeStruct((size, form.window), jnp.float32)
    counts, rows = (jax.ShapeDtypeStruct((size,), dtype) for dtype in (jnp.int32, jnp.bool))
    return SpeakerPrograms(
        form,
        size,
        form.prepare,
        jax.jit(start),
        jax.jit(form.step, donate_argnums=1).lower(prepared, state, samples, counts).compile(),
        jax.jit(renew, donate_argnums=0).lower(state, rows).compile(),
    )


class NewActivity(NamedTuple):
    """What has been found out since the last call.

    Attributes:
      start: of the first new frame, in seconds from the start of the stream.
      probabilities: that each speaker is active in the new frames.
      turns: those that are over now.
    """

    start: float
    probabilities: Float[np.ndarray, "T S"]
    turns: list[Turn]


class SpeakerStream(LiveInput):
    """One live recording.

    Attributes:
      row: its place among the streams that are stepped together.
    """

    def __init__(
        self, streams: "SpeakerStreams", name: str, row: int, turns: LiveTurns | None, *, sample_rate: int | None
    ):
        form = streams.form
        super().__init__(name, sample_rate=sample_rate, model_rate=form.sample_rate)
        self.row = row
        self._streams, self._form, self._turns = streams, form, turns
        self._samples = np.zeros(form.lead_in, np.float32)  # from the first that the next step sees
        self._begin = 0  # that sample, in a recording with `lead_in` zeros before it
        self._num_samples = self._num_frames = 0
        self._found: list[np.ndarray] = []
        self._new = 0  # how many of these arrays `news` has not returned
        self._over: list[Turn] = []
        self._finished = False

    @property
    def activity(self) -> Float[np.ndarray, "T S"]:
        """The probability that each speaker is active in each frame so far."""
        return self._joined(self._found)

    @property
    def turns(self) -> list[Turn]:
        """The turns so far in the order of their starts; the last ones may become longer."""
        return [] if self._turns is None else self._turns.turns

    @property
    def ready(self) -> bool:
        """Whether the next step would process audio of this stream."""
        return len(self._samples) >= self._form.needed(self._num_frames) or (self._ended and not self.done)

    @property
    def done(self) -> bool:
        """Whether the stream has ended and all its audio is processed."""
        return self._finished

    def feed(self, samples: Any) -> NewActivity:
        """Takes the next samples, and the steps that they make possible; returns what these have found out.

        Args:
          samples: [S], any number of them: floats in [-1, 1] or integers.

        Raises:
          AudioError: the stream has ended, or these are not samples.
        """
        self.push(samples)
        while self.ready:
            self._streams.step()
        return self.news()

    def finish(self) -> NewActivity:
        """Ends the stream; returns what the last steps have found out."""
        self.end()
        while self.ready:
            self._streams.step()
        return self.news()

    def news(self) -> NewActivity:
        """Returns what steps have found out since the last call."""
        new, turns = self._joined(self._found[len(self._found) - self._new :]), self._over
        self._new, self._over = 0, []
        return NewActivity((self._num_frames - len(new)) * self._form.frame_seconds, new, turns)

    def window(self) -> Float[np.ndarray, " S"]:
        """Returns the samples that the next step sees."""
        return self._samples[: self._form.window]

    def take(self, probabilities: Float[np.ndarray, "T S"]) -> None:
        """Takes the activity that a step has computed."""
        self._found.append(probabilities)
        self._new += 1
        self._num_frames += len(probabilities)
        if self._turns is not None:
            self._over += self._turns.feed(probabilities)
        begin = self._form.begin(self._num_frames)
        self._samples = self._samples[begin - self._begin :]
        self._begin = begin
        if self._ended and (not len(probabilities) or len(self._samples) <= self._seen):
            self._finish()

    @property
    def _seen(self) -> int:
        """How many of the kept samples are only context of those that are left."""
        return self._form.lead_in + self._num_frames * self._form.frame - self._begin

    def _joined(self, parts: list[np.ndarray]) -> Float[np.ndarray, "T S"]:
        return np.concatenate([np.zeros((0, self._form.speakers), np.float32), *parts])

    def _finish(self) -> None:
        if self._turns is not None:
            self._over += self._turns.finish(self._num_samples / self._form.sample_rate)
        self._finished = True

    def _take(self, samples: Float[np.ndarray, " S"]) -> None:
        self._samples = np.concatenate([self._samples, samples])
        self._num_samples += len(samples)

    def _close(self) -> None:
        if len(self._samples) <= self._seen:
            self._finish()
        self._streams.forget_if_done(self)


class SpeakerStreams:
    """Up to `size` streams that are stepped together; a stream that has ended frees its place.

    Args:
      programs: compiled for the model and that size.
      variables: the model's variables.
      turns: makes the turns of a new stream; None: its activity alone is wanted.
    """

    def __init__(
        self, programs: SpeakerPrograms, variables: Variables, *, turns: Callable[[], LiveTurns] | None = None
    ):
        self.form = programs.form
        self._programs, self._turns = programs, turns
        self._variables = programs.prepare(variables)
        self._state = programs.start()
        self._open: dict[int, SpeakerStream] = {}

    def open(self, name: str = "stream", *, sample_rate: int | None = None) -> SpeakerStream:
        """Opens a new stream.

        Args:
          name: the stream's name in errors.
          sample_rate: of its samples, in Hz; the model's by default.

        Raises:
          ConfigError: all `size` streams are open.
        """
        free = [row for row in range(self._programs.size) if row not in self._open]
        if not free:
            raise ConfigError(f"{name}: all {self._programs.size} streams are open; end one, or use a larger size")
        stream = SpeakerStream(self, name, free[0], self._turns and self._turns(), sample_rate=sample_rate)
        self._state = self._programs.renew(self._state, np.arange(self._programs.size) == stream.row)
        self._open[stream.row] = stream
        return stream

    def step(self) -> list[SpeakerStream]:
        """Runs one call for all streams that have enough audio; returns them."""
        ready = [stream for stream in self._open.values() if stream.ready]
        if not ready:
            return []
        samples = np.zeros((self._programs.size, self.form.window), np.float32)
        counts = np.zeros(self._programs.size, np.int32)
        for stream in ready:
            window = stream.window()
            samples[stream.row, : len(window)], counts[stream.row] = window, len(window)
        found, self._state = self._programs.step(self._variables, self._state, samples, counts)
        found = jax.device_get(found)
        for stream in ready:
            stream.take(found.probabilities[stream.row, : found.num_frames[stream.row]])
            self.forget_if_done(stream)
        return ready

    def drop(self, stream: SpeakerStream) -> None:
        """Frees the place of a stream whatever state it is in, as after an error in one of its steps."""
        self._open.pop(stream.row, None)

    def forget_if_done(self, stream: SpeakerStream) -> None:
        """Frees the place of a stream that is done."""
        if stream.done:
            self._open.pop(stream.row, None)
