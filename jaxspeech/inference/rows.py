"""The way from recordings to a model's predictions, whatever the model predicts.

read ahead (threads) -> batches of similar length -> one compiled program for each shape -> rows in input order

A batch that does not fit in memory is tried one recording at a time, each by the strategies that its door has. The next
batch is on the device while the rows of this one are in use.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import jax
import numpy as np

from jaxspeech.errors import AudioError, SpeechError
from jaxspeech.inference.batching import FULL_BATCH_SECONDS, Shape, plan_batches
from jaxspeech.inference.inputs import Recording, read_recording
from jaxspeech.inference.options import Wanted
from jaxspeech.inference.read_ahead import Window, read_windows

P = TypeVar("P")
T = TypeVar("T")
# The samples of recordings, by their place in the window.
Audio = Mapping[int, np.ndarray]


@dataclass(frozen=True)
class Strategy(Generic[P]):
    """One way to do a batch.

    Attributes:
      start: (shape, audio) -> (the prediction, B leading in every leaf and perhaps still being computed; how it came
        about, for the note, "" where nothing is to be said). It raises AudioError where the batch does not fit.
      alone: it takes one recording at a time.
    """

    start: Callable[[Shape, Audio], tuple[P, str]]
    alone: bool = False


@dataclass(frozen=True)
class Row(Generic[P]):
    """What became of one recording.

    Attributes:
      recording: which.
      samples: [S] at the model's rate; none where it could not be read.
      prediction: one row of the model's, as host arrays; None where there is an error, or nothing to predict from.
      note: how it came about, as one line, where that was not by the whole model at once.
      error: why there is no prediction.
    """

    recording: Recording
    samples: np.ndarray
    prediction: P | None = None
    note: str | None = None
    error: SpeechError | None = None


def predicted_rows(
    recordings: Iterable[Recording],
    strategies: Sequence[Strategy[P]],
    wanted: Wanted,
    *,
    sample_rate: int,
    shortest: float = 1,
    long: Sequence[Strategy[P]] = (),
) -> Iterator[Row[P]]:
    """Predictions in the order of the recordings, each as soon as it and those before it are there.

    Memory is bounded however many recordings there are; they may come from a generator without an end.

    Args:
      recordings: not yet read.
      strategies: the ways to do a batch, tried in this order.
      wanted: batch_size, sample_rate (of arrays), channel and on_error.
      sample_rate: of the model, in Hz.
      shortest: samples that a prediction needs; shorter recordings have none.
      long: the ways to do recordings of more than `FULL_BATCH_SECONDS`, where they differ.

    Raises:
      SpeechError: with on_error="raise", what is wrong with the first recording that has no prediction.
    """
    read = partial(read_recording, sample_rate=sample_rate, array_rate=wanted.sample_rate, channel=wanted.channel)
    for window in read_windows(recordings, read, sample_rate=sample_rate):
        audio: dict[int, np.ndarray] = {}
        done: list[tuple[int, Row[P]]] = []
        for i, (recording, samples) in enumerate(window):
            if isinstance(samples, SpeechError):
                done.append((i, Row(recording, np.zeros(0, np.float32), error=samples)))
            elif len(samples) < shortest:
                done.append((i, Row(recording, samples)))
            else:
                audio[i] = samples
        batches = plan_batches(
            {i: len(samples) for i, samples in audio.items()}, batch_size=wanted.batch_size, sample_rate=sample_rate
        )
        border = FULL_BATCH_SECONDS * sample_rate
        ways = [(shape, long if long and shape.length > border else strategies) for shape in batches]
        for row in in_order(_rows(window, audio, ways, done)):
            if row.error is not None and wanted.on_error == "raise":
                raise row.error
            yield row


def _rows(
    window: Window,
    audio: Audio,
    batches: Sequence[tuple[Shape, Sequence[Strategy[P]]]],
    done: Iterable[tuple[int, Row[P]]],
) -> Iterator[tuple[int, Row[P]]]:
    """Each recording's place in the window and its row, in whatever order they come."""
    yield from done
    waiting = deque(batches)
    running: deque[tuple[Shape, P, str | None]] = deque()
    while waiting or running:
        if waiting and len(running) < 2:
            shape, strategies = waiting.popleft()
            try:
                running.append((shape, *first_that_fits(strategies, shape, audio)))
            except AudioError as error:
                if shape.rows > 1:
                    # What does not fit together may fit one by one.
                    waiting.extendleft((Shape((i,), 1, shape.length), strategies) for i in shape.indices)
                else:
                    [i] = shape.indices
                    recording, _ = window[i]
                    yield i, Row(recording, audio[i], error=AudioError(f"{recording.source}: {error}"))
        else:
            shape, prediction, note = running.popleft()
            prediction = jax.device_get(prediction)
            for row, i in enumerate(shape.indices):
                yield i, Row(window[i][0], audio[i], _row_of(prediction, row), note)


def first_that_fits(strategies: Sequence[Strategy[P]], shape: Shape, audio: Audio) -> tuple[P, str | None]:
    """A batch's prediction by the first strategy that it fits, and how it came about.

    Raises:
      AudioError: it fits none; or several rows do not fit the first one, and are to be tried one at a time.
    """
    reason = "as asked for"
    for strategy in strategies[:-1]:
        try:
            return _started(strategy, shape, audio, reason)
        except AudioError as error:
            if shape.rows > 1:
                raise
            if strategy is strategies[0]:
                reason = str(error).partition("; ")[0]
    return _started(strategies[-1], shape, audio, reason)


def _started(strategy: Strategy[P], shape: Shape, audio: Audio, reason: str) -> tuple[P, str | None]:
    if strategy.alone and shape.rows > 1:
        raise AudioError("this is done one recording at a time")
    prediction, how = strategy.start(shape, audio)
    return prediction, f"{how} ({reason})" if how else None


def _row_of(prediction: P, row: int) -> P:
    def take(leaf: Any) -> Any:
        return leaf[row]

    return jax.tree.map(take, prediction)


def in_order(results: Iterable[tuple[int, T]]) -> Iterator[T]:
    """Results with their places 0, 1, ..., each as soon as those before it are there."""
    waiting: dict[int, T] = {}
    place = 0
    for i, result in results:
        waiting[i] = result
        while place in waiting:
            yield waiting.pop(place)
            place += 1
