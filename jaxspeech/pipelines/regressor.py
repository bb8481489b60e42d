"""Estimates a number for recordings: load a model, estimate.

    ratings = load("quality.jaxspeech", Regressor)
    ratings.estimate(["a.wav", "folder", samples])[0].value

recordings -> rows of numbers (inference/rows.py)
"""

import os
from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar, NamedTuple, Unpack

from jaxspeech import exports
from jaxspeech.archive import Archive
from jaxspeech.errors import AudioError, SpeechError
from jaxspeech.inference.inputs import find_recordings
from jaxspeech.inference.options import RowOptions, wanted
from jaxspeech.inference.programs import Programs
from jaxspeech.inference.results import results_of
from jaxspeech.inference.rows import Row, Strategy, predicted_rows
from jaxspeech.pipelines.doors import open_model, with_bar
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


class Regressor:
    """A regression model.

    Attributes:
      task: the pure functions of the model (see `tasks.Task`).
      model: the Flax module.
      variables: nested dicts of arrays on the device; may be replaced by others of the same shapes.
      config: the configuration from which `build` makes the task.
      assets: the model's files besides its weights.
      metadata: further entries of the model file.
    """

    takes: ClassVar[type] = Regression

    def __init__(self, archive: Archive, *, dtype: str | None = None):
        """Puts the model on the device.

        Args:
          archive: the content of a model file.
          dtype: of the matrix products; None: as in the configuration.

        Raises:
          ConfigError: it is not a regression model.
        """
        self.config, self.task, self.variables = open_model(archive, self.takes, dtype=dtype)
        self.model = self.task.model
        self.assets, self.metadata = archive.assets, archive.metadata
        self._programs = Programs(self.task, self.task.inference.number, name="estimate", config=self.config)

    @property
    def archive(self) -> Archive:
        """The content of the file that `save` writes."""
        return Archive(self.config, self.assets, self.variables, self.metadata)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes an archive that `load` reads; see `exports.save`."""
        exports.save(self.archive, path)

    def export_nemo(self, path: str | os.PathLike[str]) -> None:
        """Writes a .nemo file, if NeMo has such a model; see `exports.export_nemo`."""
        exports.export_nemo(self.archive, path)

    def estimate(self, inputs: Any, *, progress: bool = False, **options: Unpack[RowOptions]) -> list[Estimated]:
        """Estimates the numbers of all inputs, in order. A result does not depend on the other inputs.

        Args:
          inputs: a path (of an audio file, a folder, a .jsonl or .json manifest), an array of samples ([S], [S C]
            or [C S]; float in [-1, 1], or integers), or an iterable of all these.
          progress: show a bar.
          options: see `inference.options.RowOptions`: batch_size, sample_rate, channel, on_error.

        Raises:
          SpeechError: an input or option is invalid; the message is one line.
        """
        results = self.estimate_iter(inputs, **options)
        return list(with_bar(results, inputs) if progress else results)

    def estimate_iter(self, inputs: Any, **options: Unpack[RowOptions]) -> Iterator[Estimated]:
        """Like `estimate`, but yields each result as soon as it and all earlier ones are ready, in bounded memory."""
        asked, kind = wanted(options, RowOptions, call="estimate"), self.task.inference
        at_once = [Strategy(partial(self._programs.start, self.variables))]
        shortest = max(kind.shortest_seconds * kind.sample_rate, 1.0)
        rows = predicted_rows(find_recordings(inputs), at_once, asked, sample_rate=kind.sample_rate, shortest=shortest)
        return results_of(rows, self._estimated, _failed, on_error=asked.on_error)

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
