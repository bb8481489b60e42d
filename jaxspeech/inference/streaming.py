"""Transcribes live audio: streams open and close at any time; one batched call steps all that have enough audio.

streams = Streams(compile_streams(task, variables, size=32), variables, tokenizer)
stream = streams.open("caller 1")
stream.push(samples)
for stream in streams.step(): print(stream.hypothesis.text)
"""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from jaxspeech.errors import ConfigError
from jaxspeech.forms.streaming_form import NewTokens, Streaming, StreamState, rows_where
from jaxspeech.inference.end_pointing import EndPointer
from jaxspeech.inference.fusing import StreamFusing
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.live_stream import LiveStream
from jaxspeech.inference.programs import shapes_of
from jaxspeech.inference.stream_prompts import StreamPrompts
from jaxspeech.inference.timed_tokens import TimedTokens
from jaxspeech.search.fusion import FUSION
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.types import Variables


class StreamPrograms(NamedTuple):
    """The compiled functions for a fixed number of streams.

    Attributes:
      form: the streaming form that they were compiled from.
      size: streams of one call, B.
      prepare, start, step: see `Streaming`; `step` donates the buffers of its state.
      renew: (state, initial search, rows [B]) -> the state, reset in these rows.
    """

    form: Streaming
    size: int
    prepare: Callable[[Variables], Variables]
    start: Callable[[Variables], StreamState]
    step: Callable[..., tuple[NewTokens, StreamState]]
    renew: Callable[..., StreamState]


def compile_streams(form: Streaming, variables: Variables, *, size: int) -> StreamPrograms:
    """Compiles everything in advance, so that no stream has to wait for a compilation.

    Raises:
      ConfigError: `size` is less than 1.
    """
    if size < 1:
        raise ConfigError(f"size is {size}; there must be at least 1 stream")

    def renew(state: StreamState, search: Any, rows: Bool[Any, " B"]) -> StreamState:
        history = jax.tree.map(lambda old: rows_where(rows, jnp.zeros((), old.dtype), old), state.history)
        return StreamState(history, jax.tree.map(partial(rows_where, rows), search, state.search))

    def start(variables: Variables) -> StreamState:
        return form.start(variables, size)

    prepared = jax.eval_shape(form.prepare, variables)
    state = jax.eval_shape(start, prepared)
    samples = jax.ShapeDtypeStruct((size, form.step_samples), jnp.float32)
    counts, rows = (jax.ShapeDtypeStruct((size,), dtype) for dtype in (jnp.int32, jnp.bool))
    ends, beside = rows, jax.eval_shape(partial(form.beside, size))
    step = jax.jit(form.step, donate_argnums=1)
    return StreamPrograms(
        form,
        size,
        jax.jit(form.prepare),
        jax.jit(start),
        step.lower(prepared, state, samples, counts, ends, *beside).compile(),
        jax.jit(renew, donate_argnums=0).lower(state, state.search, rows).compile(),
    )


class Stream(LiveStream):
    """One live recording.

    Attributes:
      hypothesis: the transcript so far; its times count from the start of the stream.
    """

    def __init__(
        self,
        streams: "Streams",
        row: int,
        hypothesis: Hypothesis,
        lead_in: int,
        sample_rate: int | None,
        timed: TimedTokens | None,
        ends: EndPointer | None = None,
    ):
        rates = {"sample_rate": sample_rate, "model_rate": streams.form.sample_rate}
        super().__init__(hypothesis.source, streams.step, **rates)
        self.hypothesis = hypothesis
        self.row = row
        self._streams = streams
        self._pending = np.zeros(lead_in, np.float32)
        self._num_samples = 0
        self._owes = False  # whether steps have left the frames of samples that were only look-ahead
        self._timed, self._end_pointer = timed, ends
        self._ids: list[int] = []
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._confidence: list[float] = []

    def _close(self) -> None:
        if self._num_samples < self._streams.form.sample_rate * self._streams.form.frame_seconds:
            self._pending, self._owes = self._pending[:0], False  # shorter than a frame: nothing to recognise
        if self.done:
            self.hypothesis = self.hypothesis._replace(duration=self._seconds)
        self._streams.forget_if_done(self)

    @property
    def _seconds(self) -> float:
        """Seconds of audio received so far."""
        return self._num_samples / self._streams.form.sample_rate

    def _take(self, samples: Float[np.ndarray, " S"]) -> None:
        self._pending = np.concatenate([self._pending, samples])
        self._num_samples += len(samples)

    @property
    def ready(self) -> bool:
        """Whether the next step would process audio of this stream."""
        return len(self._pending) >= self._streams.form.step_samples or (self._ended and not self.done)

    @property
    def done(self) -> bool:
        """Whether the stream has ended and all its audio is processed."""
        return self._ended and len(self._pending) == 0 and not self._owes

    def take(self) -> tuple[np.ndarray, bool]:
        """Removes and returns the samples for the next step, and whether it ends the stream."""
        form = self._streams.form
        samples, self._pending = self._pending[: form.step_samples], self._pending[form.step_samples :]
        ends = self._ended and len(self._pending) == 0
        self._owes = form.right_samples > 0 and not ends
        return samples, ends

    def extend(self, found: NewTokens, row: int, *, tokenizer: Tokenizer) -> None:
        """Adds the tokens that a step has found."""
        tokens, form = found.tokens, self._streams.form
        kept, real = len(self._ids) - int(found.again[row]), slice(int(tokens.num_tokens[row]))
        new = tokens.ids, tokens.starts, tokens.ends, tokens.confidence
        lists: Any = self._ids, self._starts, self._ends, self._confidence
        for values, more in zip(lists, new, strict=True):
            values[kept:] = more[row, real].tolist()
        heard = self.hypothesis.duration + float(found.num_frames[row]) * form.frame_seconds
        said = self.hypothesis._replace(
            duration=self._seconds if self.done else min(heard, self._seconds),
            score=self.hypothesis.score + float(tokens.score[row]),
        )
        if tokens.num_tokens[row]:
            said = said.with_tokens(tokenizer, self._ids, self._confidence)
        if self._timed is not None and (tokens.num_tokens[row] or self.done):
            times = self._starts, self._ends, self._confidence
            self._timed.update(self._ids, *times, duration=said.duration, kept=kept)
            said = said.with_times(self._timed)
        if self._end_pointer is not None:
            self._end_pointer.update(self._ids, self._starts, self._ends, heard=said.duration, done=self.done)
            said = said._replace(utterances=self._end_pointer.utterances)
        self.hypothesis = said


class Streams:
    """Up to `size` streams that are stepped together; a stream that has ended frees its place.

    Args:
      programs: compiled for the model and that size.
      variables: the model's variables.
      tokenizer: the model's tokenizer.
      timestamps: fill the hypotheses' words, segments and chars.
      prompts: what is asked of a model with prompts.
      fusing: what the search takes in besides the model's own scores; None: nothing.
      compile: (variables with other sizes of phrases) -> their programs.
      end_pointing: divide transcripts into utterances, see `inference.end_pointing`.
      end_silence: seconds without a token that end an utterance; None: only marks of the model do.
    """

    kind: ClassVar[type[Stream]] = Stream

    def __init__(
        self,
        programs: StreamPrograms,
        variables: Variables,
        tokenizer: Tokenizer,
        *,
        timestamps: bool = False,
        prompts: StreamPrompts | None = None,
        fusing: StreamFusing | None = None,
        compile: Callable[[Variables], StreamPrograms] | None = None,
        end_pointing: bool = False,
        end_silence: float | None = None,
    ):
        self.form = programs.form
        self.prompts = prompts or StreamPrompts(None, tokenizer, {}, room=programs.form.prompt_tokens)
        self._programs = programs
        self._tokenizer = tokenizer
        self._timestamps = timestamps
        self._end_pointing, self._end_silence = end_pointing, end_silence
        self._fusing, self._compile = fusing, compile
        self._variables = programs.prepare(variables if fusing is None else fusing.variables(variables))
        self._state = programs.start(self._variables)
        # Copies, because every step donates the state's buffers.
        self._first_search = jax.tree.map(jnp.copy, self._state.search)
        self._shapes = shapes_of(self._variables.get(FUSION))
        self._open: dict[int, Stream] = {}

    def open(
        self,
        name: str = "stream",
        *,
        sample_rate: int | None = None,
        offset: float = 0.0,
        boost: Any = None,
        **slots: Any,
    ) -> Stream:
        """Opens a new stream.

        Args:
          name: the stream's name in hypotheses and errors.
          sample_rate: of its samples, in Hz; the model's by default.
          offset: time of the first sample, in seconds; it is added to all times.
          boost: phrases to prefer in this stream instead of those of all streams.
          slots: what is asked of a model with prompts for this stream, like source_lang="de".

        Raises:
          ConfigError: all `size` streams are open, or the phrases cannot be used.
          TokenizerError: the model does not have what is asked for.
        """
        free = [row for row in range(self._programs.size) if row not in self._open]
        if not free:
            raise ConfigError(f"{name}: all {self._programs.size} streams are open; end one, or use a larger size")
        row = free[0]
        rows = np.arange(self._programs.size) == row
        self._fuse(row, boost)
        first = self.prompts.written(self._first_search, rows, slots)
        self._state = self._programs.renew(self._state, first, rows)
        spans = () if self._timestamps else None
        said = Hypothesis(source=name, words=spans, segments=spans, chars=spans)
        seconds = {"frame_seconds": self.form.frame_seconds, "offset": offset}
        timed = TimedTokens(self._tokenizer, **seconds) if self._timestamps else None
        ends = EndPointer(self._tokenizer, end_silence=self._end_silence, **seconds) if self._end_pointing else None
        said = said if ends is None else said._replace(utterances=())
        self._open[row] = self.kind(self, row, said, self.form.lead_in, sample_rate, timed, ends)
        return self._open[row]

    def _fuse(self, row: int, boost: Any) -> None:
        """Gives the phrases of a new stream to the search, which may need programs for more of them."""
        if self._fusing is None:
            if boost is not None:
                raise ConfigError("boost: streams whose phrases differ are made by streams(..., boost=[])")
            return
        self._fusing.open(row, boost)
        self._variables = self._fusing.variables(self._variables)
        found = shapes_of(self._variables.get(FUSION))
        if found != self._shapes and self._compile is not None:
            self._programs = self._compile(self._variables)
        self._shapes = found
        self._first_search = self._programs.start(self._variables).search

    def step(self) -> list[Stream]:
        """Runs one call for all streams that have enough audio; returns them, with updated hypotheses."""
        ready = [stream for stream in self._open.values() if stream.ready]
        if not ready:
            return []
        found, self._state = self._programs.step(self._variables, self._state, *self._taken(ready))
        found = jax.device_get(found)
        for stream in ready:
            stream.extend(found, stream.row, tokenizer=self._tokenizer)
            self.forget_if_done(stream)
        return ready

    def _taken(self, ready: list[Stream]) -> tuple[Any, ...]:
        """Takes from these streams what the next step processes: samples, their numbers, whether the stream ends."""
        samples = np.zeros((self._programs.size, self.form.step_samples), np.float32)
        counts, ends = np.zeros(self._programs.size, np.int32), np.zeros(self._programs.size, bool)
        for stream in ready:
            part, ends[stream.row] = stream.take()
            samples[stream.row, : len(part)], counts[stream.row] = part, len(part)
        return samples, counts, ends

    def drop(self, stream: Stream) -> None:
        """Frees the place of a stream whatever state it is in, as after an error in one of its steps."""
        self._open.pop(stream.row, None)

    def forget_if_done(self, stream: Stream) -> None:
        """Frees the place of a stream that is done."""
        if stream.done:
            self._open.pop(stream.row, None)
