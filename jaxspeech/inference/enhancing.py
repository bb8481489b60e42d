"""Enhances recordings of any length in bounded memory, and yields the results in order.

blocks of a file -> the model's rate -> windows -> batches of rows -> cross-fades -> the file's rate -> sink

A window holds all channels; a model of one channel gets each as a row of its own. Rows of a batch may come from
several recordings. A causal model processes a long recording part by part with its state instead of in windows. Where
the model divides by the peak, a first pass over a long recording finds it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.errors import AudioError, ConfigError, OutputError
from jaxspeech.forms.enhancement_streaming import EnhancementStreaming
from jaxspeech.inference.batching import FULL_BATCH_SECONDS, padded_length
from jaxspeech.inference.enhance_jobs import Done, Job, Piece, Settings
from jaxspeech.inference.enhance_programs import EnhancePrograms
from jaxspeech.inference.enhanced_output import Output, Sink
from jaxspeech.inference.enhanced_source import Source
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.windows import Cut, Joiner, Window, cut_windows
from jaxspeech.types import Variables


class Enhancing:
    """Runs a model over recordings.

    Args:
      programs: of the model.
      kind: `Task.inference`.
      streaming: the streaming form of a causal model, or None.
    """

    def __init__(self, programs: EnhancePrograms, kind: Any, streaming: EnhancementStreaming | None):
        self._programs, self._kind, self._streaming = programs, kind, streaming

    def run(
        self, variables: Variables, recordings: Iterable[tuple[Recording, Sink]], settings: Settings
    ) -> Iterator[Done]:
        """Yields what became of each recording, in order.

        Raises:
          ConfigError: an option cannot be used.
          OutputError: nothing more can be written.
        """
        pending: list[Piece] = []
        running: list[Piece] = []
        try:
            for recording, sink in recordings:
                job = self._job(recording, sink, settings)
                for window in self._windows(job, settings):
                    pending.append(Piece(job, window))
                    if self._is_full(pending, settings):
                        self._start(variables, pending, settings)
                        yield from self._finish(running)
                        running, pending = pending, []
                pending.append(Piece(job, None))
            self._start(variables, pending, settings)
            yield from self._finish([*running, *pending])
        except BaseException as error:  # also where the caller takes no more results
            for piece in (*running, *pending):
                piece.job.fail(error if isinstance(error, Exception) else AudioError("stopped"))
            raise

    def _job(self, recording: Recording, sink: Sink, settings: Settings) -> Job:
        rates: Any = {"model_rate": self._kind.sample_rate, "array_rate": settings.sample_rate}
        return Job(recording, Source(recording, channel=settings.channel, **rates), sink)

    def _windows(self, job: Job, settings: Settings) -> Iterator[Window]:
        """The windows of a recording; what goes wrong is the job's error."""
        try:
            windows = cut_windows(job.source.blocks(), settings.cut)
            first = next(windows)
            stored, name = job.source.stored, job.recording.source
            assert stored is not None
            channels = first.samples.shape[0]
            if self._kind.channels == 1:
                job.rows = channels
            elif self._kind.channels is not None and channels != self._kind.channels:
                raise AudioError(f"{name}: has {_channels(channels)}; this model needs {self._kind.channels}")
            job.streams = not first.last and self._streaming is not None
            late = self._streaming.delay if job.streams and self._streaming is not None else 0
            joiner = None if job.streams else Joiner(settings.cut)
            options: Any = {"model_rate": self._kind.sample_rate, "late": late, "wet": settings.wet}
            job.output = Output(name, stored._replace(channels=channels), job.sink, joiner=joiner, **options)
            if self._kind.scaled and not first.last:
                job.peaks = self._peaks(job.source.blocks())
            elif self._kind.scaled:
                job.peaks = self._peaks([first.samples])
            if job.streams:
                yield from self._parts(job.source.blocks(), settings)
            elif self._kind.scaled and not first.last:
                yield from cut_windows(job.source.blocks(), settings.cut)
            else:
                yield first
                yield from windows
        except (ConfigError, OutputError):
            raise
        except Exception as error:
            job.fail(error)

    def _peaks(self, blocks: Iterable[Float[np.ndarray, "C S"]]) -> list[float]:
        """The peak of each row."""
        peaks = np.max([np.abs(block).max(1, initial=0.0) for block in blocks], axis=0)
        return peaks.tolist() if self._kind.channels == 1 else [float(peaks.max())]

    def _parts(self, blocks: Iterator[Float[np.ndarray, "C S"]], settings: Settings) -> Iterator[Window]:
        """The parts of a recording for a stream: of one length, with the zeros that make it return all samples."""
        assert self._streaming is not None
        hop, missing = self._streaming.hop, self._streaming.delay
        length = -(-settings.cut.chunk // hop) * hop
        for window in cut_windows(blocks, Cut(length, 0)):
            rest = length - window.samples.shape[1]
            padded = np.pad(window.samples, ((0, 0), (0, rest)))
            missing -= rest
            yield Window(window.start, padded, window.last and missing <= 0)
            while window.last and missing > 0:
                missing -= length
                yield Window(window.start + length, np.zeros_like(padded), missing <= 0)

    def _length(self, piece: Piece, settings: Settings) -> int:
        """The padded length of a window."""
        assert piece.window is not None
        needed = padded_length(piece.window.samples.shape[1], sample_rate=self._kind.sample_rate)
        return min(needed, max(settings.cut.chunk, piece.window.samples.shape[1]))

    def _is_full(self, pieces: Sequence[Piece], settings: Settings) -> bool:
        """Whether the windows fill a batch."""
        windows = [piece for piece in pieces if piece.window is not None]
        samples = sum(piece.job.rows * self._length(piece, settings) for piece in windows)
        rows = sum(piece.job.rows for piece in windows)
        return rows >= settings.batch_size or samples >= FULL_BATCH_SECONDS * self._kind.sample_rate

    def _start(self, variables: Variables, pieces: Sequence[Piece], settings: Settings) -> None:
        """Sends the windows to the device, in batches of equal length."""
        groups: dict[tuple[int, int], list[tuple[Piece, int]]] = {}
        for piece in pieces:
            if piece.window is None or piece.job.error is not None:
                continue
            if piece.job.streams:
                piece.found = [self._streamed(variables, piece.job, piece.window)]
                continue
            piece.found = [(None, 0)] * piece.job.rows
            channels = 1 if self._kind.channels == 1 else piece.window.samples.shape[0]
            group = groups.setdefault((self._length(piece, settings), channels), [])
            group += [(piece, row) for row in range(piece.job.rows)]
        for (length, _), members in groups.items():
            fits = max(1, min(settings.batch_size, int(FULL_BATCH_SECONDS * self._kind.sample_rate / length)))
            for begin in range(0, len(members), fits):
                self._batch(variables, members[begin : begin + fits], length=length, fits=fits)

    def _batch(self, variables: Variables, members: Sequence[tuple[Piece, int]], *, length: int, fits: int) -> None:
        """Sends rows to the device; where they do not fit in memory together, one by one."""
        rows = [_row(piece, row) for piece, row in members]
        peaks = [piece.job.peaks[row] if piece.job.peaks else 0.0 for piece, row in members]
        try:
            size = 1 if len(rows) == 1 else fits
            found = self._programs.start(variables, rows, peaks, size=size, length=length)
        except ConfigError:
            raise
        except Exception as error:
            if len(rows) > 1:
                for member in members:
                    self._batch(variables, [member], length=length, fits=1)
            else:
                members[0][0].job.fail(error)
            return
        for place, (piece, row) in enumerate(members):
            piece.found[row] = (found, place)

    def _streamed(self, variables: Variables, job: Job, window: Window) -> tuple[Any, int]:
        """Sends the next part of a stream to the device."""
        assert self._streaming is not None
        if job.state is None:
            job.state = self._streaming.start(1, window.samples.shape[0])
        found, job.state = self._programs.step(self._streaming, variables, job.state, window.samples[None])
        return found, 0

    def _finish(self, pieces: Sequence[Piece]) -> Iterator[Done]:
        """Waits for the windows and writes them; yields the recordings that are complete."""
        for piece in pieces:
            job = piece.job
            if job.error is None:
                try:
                    _take(piece)
                except (ConfigError, OutputError):
                    raise
                except Exception as error:
                    job.fail(error)
            if piece.window is None:
                job.source.close()
                yield Done(job.recording, job.source.stored, job.output.written if job.output else 0, job.error)


def _take(piece: Piece) -> None:
    """Writes a window, or ends the recording."""
    job = piece.job
    assert job.output is not None
    if piece.window is None:
        job.output.end(job.source.heard)
        return
    dry = piece.window.samples
    rows = [np.asarray(found[place])[:, : dry.shape[1]] for found, place in piece.found]
    if len(rows) > 1 and rows[0].shape[0] > 1:
        raise AudioError(
            f"{job.recording.source}: has {_channels(len(rows))}, and this model makes {rows[0].shape[0]} of one: "
            "choose a channel"
        )
    found = rows[0] if len(rows) == 1 else np.concatenate(rows)
    job.output.take(dry, found, last=piece.window.last, heard=job.source.heard)


def _row(piece: Piece, row: int) -> Float[np.ndarray, "C S"]:
    assert piece.window is not None
    samples = piece.window.samples
    return samples if piece.job.rows == 1 else samples[row : row + 1]


def _channels(number: int) -> str:
    return f"{number} channel{'s' if number != 1 else ''}"
