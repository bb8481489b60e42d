"""Runs a model over recordings and yields its predictions, for any task.

read ahead (threads) -> batches of similar length -> one compiled program for each shape -> rows in input order

A batch that does not fit in memory is tried one recording at a time, with the pipeline's strategies in order. The
next batch is on the device while the rows of this one are in use.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import jax
import numpy as np

from jaxspeech.errors import AudioError, ConfigError, SpeechError, as_speech_error
from jaxspeech.inference.batching import FULL_BATCH_SECONDS, Shape, plan_batches
from jaxspeech.inference.channels import each_channel
from jaxspeech.inference.enhanced_reading import EnhancedReading
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.options import Wanted
from jaxspeech.inference.read_ahead import Window, read_recording, read_windows
from jaxspeech.inference.shape_choice import ShapeChoice

P = TypeVar("P")
T = TypeVar("T")
# The samples of recordings, by their place in the window.
Audio = Mapping[int, np.ndarray]
# (the recordings of a batch, its number of rows) -> further arguments of a program, with as many rows.
Beside = Callable[[Sequence[Recording], int], tuple[Any, ...]]


def nothing_beside(recordings: Sequence[Recording], rows: int) -> tuple[Any, ...]:
    """Returns no further arguments."""
    del recordings, rows
    return ()


@dataclass(frozen=True)
class Strategy(Generic[P]):
    """One way to predict a batch.

    Attributes:
      start: (shape, audio) -> (the prediction, B leading in every leaf, perhaps not computed yet; how it was made, for
        the note, or ""). It raises AudioError if the batch does not fit in memory.
      alone: whether it takes only one recording at a time.
      beside: makes what `start` takes after shape and audio.
    """

    start: Callable[..., tuple[P, str]]
    alone: bool = False
    beside: Beside = nothing_beside


@dataclass(frozen=True)
class Row(Generic[P]):
    """The result for one recording.

    Attributes:
      recording: the recording.
      samples: [S] at the model's rate; empty if it could not be read.
      prediction: its row of the model's prediction, as host arrays; None if there is an error or too little audio.
      note: one line that says how it was predicted, unless by the whole model at once.
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
    shapes: ShapeChoice | None = None,
) -> Iterator[Row[P]]:
    """Yields predictions in the order of the recordings, each as soon as it and all earlier ones are ready.

    Memory use does not depend on the number of recordings; they may come from an infinite generator.

    Args:
      recordings: not yet read.
      strategies: the ways to predict a batch, tried in this order.
      wanted: batch_size, sample_rate (of arrays), channel and on_error.
      sample_rate: of the model, in Hz.
      shortest: number of samples that a prediction needs; shorter recordings get none.
      long: the strategies for recordings of more than `FULL_BATCH_SECONDS`; empty: the same ones.
      shapes: those that the strategies have been used with; None: each batch has the shape that fits it best.

    Raises:
      SpeechError: with on_error="raise", the error of the first recording that has one.
    """

    read_one = read_recording if wanted.enhance is None else EnhancedReading(wanted.enhance).read

    def read(recording: Recording) -> Any:
        channel = "mean" if wanted.channel == "each" else wanted.channel
        channel = channel if recording.channel is None else recording.channel
        return read_one(recording, sample_rate=sample_rate, array_rate=wanted.sample_rate, channel=channel)

    recordings = each_channel(recordings) if wanted.channel == "each" else recordings
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
        if shapes is not None:
            batches = shapes.choose(batches, batch_size=wanted.batch_size)
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
    """Yields each recording's place in the window and its row, in order of completion."""
    yield from done
    waiting = deque(batches)
    running: deque[tuple[Shape, Sequence[Strategy[P]], tuple[P, str | None]]] = deque()
    while waiting or running:
        start = waiting and len(running) < 2
        shape, strategies, *predicted = waiting.popleft() if start else running.popleft()
        try:
            if start:
                recordings = [window[i][0] for i in shape.indices]
                running.append((shape, strategies, first_that_fits(strategies, shape, audio, recordings)))
                continue
            [(prediction, note)] = predicted
            prediction = jax.device_get(prediction)
            rows = [_row_of(prediction, row) for row in range(len(shape.indices))]
        except ConfigError:  # of the options, not of a recording
            raise
        except Exception as error:
            if shape.rows > 1:
                # Recordings that do not fit together may fit one by one, and perhaps only one of them is at fault.
                waiting.extendleft((Shape((i,), 1, shape.length), strategies) for i in shape.indices)
            else:
                [i] = shape.indices
                recording, _ = window[i]
                yield i, Row(recording, audio[i], error=as_speech_error(error, recording.source))
        else:
            for i, row in zip(shape.indices, rows, strict=True):
                yield i, Row(window[i][0], audio[i], row, note)


def first_that_fits(
    strategies: Sequence[Strategy[P]], shape: Shape, audio: Audio, recordings: Sequence[Recording] = ()
) -> tuple[P, str | None]:
    """Predicts a batch with the first strategy whose memory need fits, and says how it was predicted.

    Args:
      strategies: in the order in which they are tried.
      shape: of the batch.
      audio: samples of each recording, by its index.
      recordings: those of the batch, in the order of `shape.indices`.

    Raises:
      AudioError: no strategy fits; or the batch has several rows, which should then be tried one at a time.
    """
    reason = "as asked for"
    for strategy in strategies[:-1]:
        try:
            return _started(strategy, shape, audio, recordings, reason)
        except (AudioError, MemoryError) as error:
            if shape.rows > 1:
                raise
            if strategy is strategies[0]:
                reason = str(error).partition("; ")[0] or "not enough memory"
    return _started(strategies[-1], shape, audio, recordings, reason)


def _started(
    strategy: Strategy[P], shape: Shape, audio: Audio, recordings: Sequence[Recording], reason: str
) -> tuple[P, str | None]:
    if strategy.alone and shape.rows > 1:
        raise AudioError("this strategy takes one recording at a time")
    prediction, how = strategy.start(shape, audio, *strategy.beside(recordings, shape.rows))
    return prediction, f"{how} ({reason})" if how else None


def _row_of(prediction: P, row: int) -> P:
    def take(leaf: Any) -> Any:
        return leaf[row]

    return jax.tree.map(take, prediction)


def in_order(results: Iterable[tuple[int, T]]) -> Iterator[T]:
    """Puts results with places 0, 1, ... in order, and yields each as soon as all earlier ones have been yielded."""
    waiting: dict[int, T] = {}
    place = 0
    for i, result in results:
        waiting[i] = result
        while place in waiting:
            yield waiting.pop(place)
            place += 1
