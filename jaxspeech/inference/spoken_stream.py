"""Transcribes live audio with the speakers of its words: streams of a recogniser beside streams of a diarizer.

samples -> stream of the recogniser -> words  \
                                               inference/live_words.py -> words with speakers
samples -> stream of the diarizer -> activity /
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.inference.gated_stream import GatedStream, GatedStreams
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.live_stream import LiveStream
from jaxspeech.inference.live_words import LiveWords
from jaxspeech.inference.streaming import Stream, Streams


class SpokenStreams:
    """Live recordings whose words have speakers; the same methods as `Streams`.

    Args:
      streams: of the recogniser, with timestamps.
      speakers: of a diarizer, with as many places: its streams have `news` and `turns`, see `SpeakerStreams`.
    """

    def __init__(self, streams: Streams | GatedStreams, speakers: Any):
        self.form, self.prompts = streams.form, streams.prompts
        self.streams, self.speakers = streams, speakers
        self._open: list[SpokenStream] = []

    def open(
        self, name: str = "stream", *, sample_rate: int | None = None, offset: float = 0.0, **slots: Any
    ) -> "SpokenStream":
        """Opens a new stream; see `Streams.open`."""
        words = self.streams.open(name, offset=offset, **slots)
        try:
            self._open.append(SpokenStream(self, name, words, sample_rate=sample_rate, offset=offset))
        except Exception:
            self.streams.drop(words)  # pyright: ignore[reportArgumentType]
            raise
        return self._open[-1]

    def step(self) -> "list[SpokenStream]":
        """Runs a call of each model for all streams that have enough audio; returns those with updated hypotheses."""
        stepped: list[Any] = [*self.streams.step(), *self.speakers.step()]
        found = [stream for stream in self._open if stream.words in stepped or stream.speakers in stepped]
        for stream in found:
            stream.update()
        self._open = [stream for stream in self._open if not stream.done]
        return found

    def drop(self, stream: "SpokenStream") -> None:
        """Frees the places of a stream whatever state it is in, as after an error in one of its steps."""
        self.streams.drop(stream.words)  # pyright: ignore[reportArgumentType]
        self.speakers.drop(stream.speakers)
        self._open = [other for other in self._open if other is not stream]


class SpokenStream(LiveStream):
    """One live recording.

    Attributes:
      hypothesis: the transcript so far; a word has its speaker as soon as that is known, and keeps it.
      words: the recogniser's stream.
      speakers: the diarizer's.
    """

    def __init__(
        self,
        streams: SpokenStreams,
        name: str,
        words: Stream | GatedStream,
        *,
        sample_rate: int | None,
        offset: float,
    ):
        rate = streams.form.sample_rate
        super().__init__(name, streams.step, sample_rate=sample_rate, model_rate=rate)
        self.words, self.speakers = words, streams.speakers.open(name, sample_rate=rate)
        form = streams.speakers.form
        names = [f"speaker_{number}" for number in range(form.speakers)]
        self._attribution = LiveWords(names, frame_seconds=form.frame_seconds, offset=offset)
        self.hypothesis: Hypothesis = words.hypothesis._replace(turns=())

    @property
    def ready(self) -> bool:
        """Whether the next step would process audio of this stream."""
        return self.words.ready or self.speakers.ready

    @property
    def done(self) -> bool:
        """Whether the stream has ended and all its audio is processed."""
        return self._ended and self.words.done and self.speakers.done

    def update(self) -> None:
        """Takes what steps of both models have found out."""
        self._attribution.hear(self.speakers.news().probabilities)
        self.hypothesis = self._attribution.spoken(self.words.hypothesis, self.speakers.turns, final=self.done)

    def _take(self, samples: Float[np.ndarray, " S"]) -> None:
        self.words.push(samples)
        self.speakers.push(samples)

    def _close(self) -> None:
        self.words.end()
        self.speakers.end()
        self.update()
