"""Transcribes recordings as live streams: files in real time or as fast as possible, or samples from a pipe."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.convert import Channel
from jaxspeech.errors import ConfigError, SpeechError, TokenizerError, as_speech_error
from jaxspeech.inference.fusing import FIELD
from jaxspeech.inference.gated_stream import GatedStream, GatedStreams
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.inputs import PIPE, Recording
from jaxspeech.inference.pipe import BLOCK_SECONDS, open_live
from jaxspeech.inference.speaker_formats import known_text
from jaxspeech.inference.spoken_stream import SpokenStream, SpokenStreams
from jaxspeech.inference.streaming import Stream, Streams

Samples = Float[np.ndarray, " S"]


class StepTimes:
    """Records how long each step took, in seconds."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __str__(self) -> str:
        if not self.seconds:
            return "no steps were run"
        return f"a step takes {np.median(self.seconds) * 1e3:.0f} ms, at most {max(self.seconds) * 1e3:.0f} ms"


def transcribe_live(
    streams: Streams | GatedStreams | SpokenStreams,
    recordings: Iterable[Recording],
    read: Callable[[Recording], Samples | SpeechError],
    *,
    show: Callable[[Hypothesis], Any],
    times: StepTimes,
    realtime: bool = False,
    pipe_rate: int | None = None,
    pipe_channel: Channel = "mean",
) -> Iterator[Hypothesis]:
    """Streams the recordings one after the other and yields the final hypothesis of each.

    Args:
      streams: has room for one more stream.
      recordings: the source "-" is standard input.
      read: returns a file's samples at the model's rate, or the error that prevents reading them.
      show: is called with every intermediate hypothesis, and with the final one.
      times: records how long each step took.
      realtime: feed a file's samples at the pace at which they were spoken.
      pipe_rate: sample rate of standard input in Hz, where it has no header; the model's by default.
      pipe_channel: which channel of standard input is used, where it has a header.
    """
    for recording in recordings:
        piped = recording.source == PIPE
        samples = None if piped else read(recording)
        if isinstance(samples, SpeechError):
            yield Hypothesis(source=recording.source, error=str(samples))
            continue
        rate = streams.form.sample_rate
        if samples is None:
            try:
                rate, blocks, _ = open_live(sys.stdin.buffer, rate=pipe_rate or rate, channel=pipe_channel)
            except SpeechError as error:
                yield Hypothesis(source=recording.source, error=str(error))
                continue
        else:
            blocks = paced_blocks(samples, rate, wait=realtime)
        asked = {**streams.prompts.of_line(recording.fields), "boost": recording.fields.get(FIELD)}
        try:
            stream = streams.open(recording.source, sample_rate=rate, offset=recording.offset, **asked)
        except (ConfigError, TokenizerError) as error:
            yield Hypothesis(source=recording.source, error=f"{recording.source}: {error}")
            continue
        hypothesis = stream.hypothesis
        for hypothesis in _steps(stream, streams, blocks, times):
            show(hypothesis)
        yield hypothesis


def _steps(
    stream: Stream | GatedStream | SpokenStream, streams: Any, blocks: Iterable[Any], times: StepTimes
) -> Iterator[Hypothesis]:
    """Yields the hypothesis after each step of a recording; the last one is final, and has any error."""
    try:
        for block in blocks:
            stream.push(block)
            while stream.ready:
                _timed_step(streams, times)
                yield stream.hypothesis
        stream.end()
        while stream.ready:
            _timed_step(streams, times)
        yield stream.hypothesis
    except Exception as error:
        streams.drop(stream)
        yield stream.hypothesis._replace(error=str(as_speech_error(error, stream.hypothesis.source)))


def _timed_step(streams: Streams | GatedStreams | SpokenStreams, times: StepTimes) -> None:
    begin = time.perf_counter()
    streams.step()
    times.seconds.append(time.perf_counter() - begin)


def paced_blocks(samples: Samples, rate: int, *, wait: bool) -> Iterator[Samples]:
    """Yields a recording in short blocks; with `wait`, each at the moment its last sample would have been spoken."""
    size, begin = max(1, round(BLOCK_SECONDS * rate)), time.monotonic()
    for start in range(0, len(samples), size):
        block = samples[start : start + size]
        if wait:
            time.sleep(max(0.0, begin + (start + len(block)) / rate - time.monotonic()))
        yield block


class GrowingText:
    """Prints a text as it grows: only what is new, or the whole text on a new line if earlier words have changed."""

    def __init__(self, stream: Any, *, named: bool):
        self._stream = stream
        self._named = named
        self._source: str | None = None
        self._printed = ""

    def show(self, hypothesis: Hypothesis) -> None:
        """Prints the text added since the last call; a different recording begins on a new line."""
        if hypothesis.source != self._source:
            self.end_line()
            self._source, self._printed = hypothesis.source, ""
            if self._named:
                self._put(f"{hypothesis.source}\t")
        if not hypothesis.text.startswith(self._printed):
            self._put("\n")
            self._printed = ""
        self._put(hypothesis.text[len(self._printed) :])
        self._printed = hypothesis.text

    def show_known(self, hypothesis: Hypothesis) -> None:
        """Prints what was added to the words whose speakers are known, a line for each speaker's."""
        self.show(hypothesis._replace(text=known_text(hypothesis.words or ())))

    def end_line(self) -> None:
        """Ends the last recording's line."""
        if self._source is not None:
            self._put("\n")
            self._source = None

    def _put(self, text: str) -> None:
        if text:
            print(text, end="", flush=True, file=self._stream)
