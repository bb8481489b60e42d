"""Estimates a number for recordings: load a model, estimate.

    ratings = load("quality.jaxspeech", Regressor)
    ratings.estimate(["a.wav", "folder", samples])[0].value

recordings -> rows of numbers (inference/rows.py)
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, Unpack

from jaxspeech.archive import Archive
from jaxspeech.errors import AudioError, SpeechError
from jaxspeech.inference.options import RowOptions
from jaxspeech.inference.programs import Programs
from jaxspeech.inference.rows import Row
from jaxspeech.pipelines.doors import with_bar
from jaxspeech.pipelines.pipeline import Pipeline
from jaxspeech.pipelines.recording_results import RecordingResults
from jaxspeech.tasks.kinds import Regression


class Estimated(NamedTuple):
    """The number of one recording.

    Attributes:
      source: the file's path, or "array 0", "array 1", ...
      duration: of the audio, in seconds.
      value: the number; NaN with an error.
      error: with `on_error="skip"`, one line that says why there is none.
      note: one line about how it was computed, if there is something to report.
    """

    source: str
    duration: float
    value: float
    error: str | None = None
    note: str | None = None


class Regressor(Pipeline):
    """A regression model; what all pipelines have is documented at `Pipeline`."""

    takes = Regression

    def __init__(self, archive: Archive, *, dtype: str | None = None):
        """Puts the model on the device.

        Args:
          archive: the content of a model file.
          dtype: of the matrix products; None: as in the configuration.

        Raises:
          ConfigError: it is not a regression model.
        """
        super().__init__(archive, dtype=dtype)
        kind = self.task.inference
        self._results = RecordingResults(
            "estimate",
            Programs(self.task, kind.number, name="estimate", config=self.config),
            sample_rate=kind.sample_rate,
            make=self._estimated,
            failed=_failed,
            shortest=max(kind.shortest_seconds * kind.sample_rate, 1.0),
        )

    def estimate(self, inputs: Any, *, progress: bool = False, **options: Unpack[RowOptions]) -> list[Estimated]:
        """Estimates the numbers of all inputs, in order. A result does not depend on the other inputs.

        Args:
          inputs, options: recordings, and how they are read; see `RecordingResults.of`.
          progress: show a bar.

        Raises:
          SpeechError: an input or option is invalid; the message is one line.
        """
        results = self.estimate_iter(inputs, **options)
        return list(with_bar(results, inputs) if progress else results)

    def estimate_iter(self, inputs: Any, **options: Unpack[RowOptions]) -> Iterator[Estimated]:
        """Like `estimate`, but yields each result as soon as it and all earlier ones are ready, in bounded memory."""
        return self._results.of(self.variables, inputs, options)

    def _estimated(self, row: Row[Any]) -> Estimated:
        kind, source = self.task.inference, row.recording.source
        duration = len(row.samples) / kind.sample_rate
        if row.prediction is None:
            raise AudioError(
                f"{source}: {duration * 1000:.0f} ms of audio are too short; this model needs "
                f"{kind.shortest_seconds * 1000:.0f} ms or more"
            )
        return Estimated(source, duration, float(row.prediction), note=row.note)


def _failed(row: Row[Any], error: SpeechError) -> Estimated:
    return Estimated(row.recording.source, 0.0, float("nan"), str(error))
