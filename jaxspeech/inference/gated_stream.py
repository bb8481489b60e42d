"""Transcribes only the speech of live audio: a model of voice activity opens and closes the streams of a recogniser.

audio -> probabilities of speech (inference/frame_stream.py) -> segments (audio/speech_gate.py) -> a stream for each

Each segment is an utterance, recognised by itself; silence is not recognised at all.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.speech_gate import GateOptions, Heard, SpeechGate
from jaxspeech.inference.frame_stream import FrameStream
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.live_stream import LiveStream
from jaxspeech.inference.streaming import Stream, Streams
from jaxspeech.text.char import SPACE
from jaxspeech.text.tokenizer import Tokenizer


class Activity(NamedTuple):
    """A model of voice activity whose rate is the recogniser's.

    Attributes:
      start: opens a live stream of it.
      number: the class of speech.
      frame_seconds: of the model.
      options: the thresholds.
    """

    start: Callable[[], FrameStream]
    number: int
    frame_seconds: float
    options: GateOptions


@dataclass
class Utterance:
    """Speech that is waiting for the recogniser: its samples from the first one that it has not taken."""

    start: int  # in samples of the stream
    until: int
    parts: list[np.ndarray] = field(default_factory=list)
    closed: bool = False


class GatedStreams:
    """Up to as many gated live recordings as `streams` has places; the same methods as `Streams`.

    Args:
      streams: of the recogniser.
      tokenizer: the recogniser's.
      activity: finds speech.
    """

    def __init__(self, streams: Streams, tokenizer: Tokenizer, activity: Activity):
        self.form = streams.form
        self.prompts = streams.prompts
        self.streams, self.tokenizer, self.activity = streams, tokenizer, activity
        self._open: list[GatedStream] = []

    def open(
        self,
        name: str = "stream",
        *,
        sample_rate: int | None = None,
        offset: float = 0.0,
        boost: Any = None,
        **slots: Any,
    ) -> "GatedStream":
        """Opens a new stream; see `Streams.open`."""
        self.prompts.check(slots)
        asked = slots | {"boost": boost}
        self._open.append(GatedStream(self, name, sample_rate=sample_rate, offset=offset, asked=asked))
        return self._open[-1]

    def step(self) -> "list[GatedStream]":
        """Runs one call for all streams that have enough speech; returns them, with updated hypotheses."""
        stepped = self.streams.step()
        found = [stream for stream in self._open if stream.advance(stepped)]
        self._open = [stream for stream in self._open if not stream.done]
        return found

    def drop(self, stream: "GatedStream") -> None:
        """Frees the place of a stream whatever state it is in, as after an error in one of its steps."""
        stream.drop()
        self._open = [other for other in self._open if other is not stream]


class GatedStream(LiveStream):
    """One live recording, of which only speech is transcribed.

    Attributes:
      utterances: the transcripts of those that are over; with timestamps, their times count from the start of the
        stream. The text of each is what `transcribe` returns for its audio alone.
      spans: (start, end) of each of them, in seconds.
      latency_seconds: the longest time from a sample of speech until a step has all the samples that it needs.
      closing_seconds: the time from the end of speech until its utterance is over.
    """

    def __init__(
        self, streams: GatedStreams, name: str, *, sample_rate: int | None, offset: float, asked: Mapping[str, Any]
    ):
        self._rate = streams.form.sample_rate
        super().__init__(name, streams.step, sample_rate=sample_rate, model_rate=self._rate)
        self.utterances: list[Hypothesis] = []
        self.spans: list[tuple[float, float]] = []
        self._streams, self._offset, self._asked = streams, offset, asked
        activity = streams.activity
        self._activity, self._number = activity.start(), activity.number
        self._gate = SpeechGate(activity.options, frame_seconds=activity.frame_seconds)
        self._audio = np.zeros(0, np.float32)  # from the sample `_first` on
        self._first = 0
        self._queue: deque[Utterance] = deque()
        self._current: Stream | None = None
        wait = self._activity.latency_seconds + activity.frame_seconds
        self.latency_seconds = wait + streams.form.latency_seconds
        self.closing_seconds = self._activity.latency_seconds + activity.options.closing_seconds

    @property
    def hypothesis(self) -> Hypothesis:
        """The transcript of all speech so far, joined."""
        seconds = (self._first + len(self._audio)) / self._rate
        parts = self.utterances if self._current is None else [*self.utterances, self._current.hypothesis]
        return joined(parts, self._streams.tokenizer, source=self._name, duration=seconds)

    def _close(self) -> None:
        self._hear(self._gate.feed(self._activity.finish()[:, self._number]))
        self._hear(self._gate.finish())
        self.advance([])

    @property
    def ready(self) -> bool:
        """Whether the next step would process speech of this stream."""
        return self._current is not None and self._current.ready

    @property
    def done(self) -> bool:
        """Whether the stream has ended and all its speech is processed."""
        return self._ended and self._current is None and not self._queue

    def drop(self) -> None:
        """Frees the recogniser's place."""
        if self._current is not None:
            self._streams.streams.drop(self._current)
        self._current, self._ended = None, True
        self._queue.clear()

    def advance(self, stepped: list[Stream]) -> bool:
        """Moves what has been heard to the recogniser; returns whether one of its steps was for this stream."""
        took_part = self._current is not None and self._current in stepped
        while self._queue:
            utterance = self._queue[0]
            if self._current is None:
                offset = self._offset + utterance.start / self._rate
                self._current = self._streams.streams.open(self._name, offset=offset, **self._asked)
            for part in utterance.parts:
                self._current.push(part)
            utterance.parts.clear()
            if utterance.closed:
                self._current.end()
            if not self._current.done:
                break
            self.utterances.append(self._current.hypothesis)
            self.spans.append((utterance.start / self._rate, utterance.until / self._rate))
            self._queue.popleft()
            self._current = None
        return took_part

    def _take(self, samples: Float[np.ndarray, " S"]) -> None:
        self._audio = np.concatenate([self._audio, samples])
        self._hear(self._gate.feed(self._activity.feed(samples)[:, self._number]))
        self.advance([])

    def _hear(self, segments: Iterator[Heard]) -> None:
        """Puts the audio of segments in the queue, and forgets audio that no later one can contain."""
        heard = self._first + len(self._audio)
        for segment in segments:
            if not self._queue or self._queue[-1].closed:
                start = round(segment.start * self._rate)
                self._queue.append(Utterance(start, start))
            utterance = self._queue[-1]
            until = max(min(round(segment.end * self._rate), heard), utterance.until)
            utterance.parts.append(self._audio[utterance.until - self._first : until - self._first])
            utterance.until, utterance.closed = until, segment.closed
        kept = int(self._gate.earliest * self._rate)
        if self._queue and not self._queue[-1].closed:
            kept = min(kept, self._queue[-1].until)
        kept = min(kept, heard)
        self._audio, self._first = self._audio[kept - self._first :], kept


def joined(parts: list[Hypothesis], tokenizer: Tokenizer, *, source: str, duration: float) -> Hypothesis:
    """Joins the transcripts of utterances; a tokenizer with a space has one between them."""
    space = tokenizer.pieces.index(SPACE) if SPACE in tokenizer.pieces else None
    ids: list[int] = []
    for part in parts:
        ids += [space] if space is not None and ids and part.tokens else []
        ids += part.tokens
    count = sum(len(part.tokens) for part in parts)
    sure = sum(part.confidence * len(part.tokens) for part in parts) / max(count, 1)
    whole = Hypothesis(source=source, duration=duration, score=sum(part.score for part in parts))
    whole = whole.with_tokens(tokenizer, ids, [sure])
    times = {
        name: tuple(span for part in parts for span in getattr(part, name) or ())
        for name in ("words", "segments", "chars")
        if any(getattr(part, name) is not None for part in parts)
    }
    return whole._replace(**times)
