"""Computes the frames of a pretrained encoder for recordings: load a model, extract.

    encoder = load("nest.jaxspeech", FeatureExtractor)
    encoder.extract(["a.wav", "folder", samples])[0].frames  # [T D]

recordings -> rows of frames (inference/rows.py)
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple, Unpack

import numpy as np
from jaxtyping import Float

from jaxspeech.archive import Archive
from jaxspeech.errors import AudioError, SpeechError
from jaxspeech.inference.inputs import find_recordings
from jaxspeech.inference.options import RowOptions, wanted
from jaxspeech.inference.programs import Programs
from jaxspeech.inference.results import results_of
from jaxspeech.inference.rows import Row, Strategy, predicted_rows
from jaxspeech.inference.shape_choice import ShapeChoice
from jaxspeech.pipelines.doors import with_bar
from jaxspeech.pipelines.pipeline import Pipeline
from jaxspeech.tasks.kinds import Encoding


class Extracted(NamedTuple):
    """The encoder's frames of one recording.

    Attributes:
      source: the file's path, or "array 0", "array 1", ...
      duration: of the audio, in seconds.
      frames: one for every `FeatureExtractor.frame_seconds`; none with an error.
      error: with `on_error="skip"`, one line that says why there are none.
      note: one line about how they were computed, if there is something to report.
    """

    source: str
    duration: float
    frames: Float[np.ndarray, "T D"]
    error: str | None = None
    note: str | None = None


class FeatureExtractor(Pipeline):
    """A pretrained encoder; what all pipelines have is documented at `Pipeline`."""

    takes = Encoding

    def __init__(self, archive: Archive, *, dtype: str | None = None):
        """Puts the model on the device.

        Args:
          archive: the content of a model file.
          dtype: of the matrix products; None: as in the configuration.

        Raises:
          ConfigError: it is not a pretrained encoder.
        """
        super().__init__(archive, dtype=dtype)
        self._programs = Programs(self.task, self.task.inference.encode, name="extract", config=self.config)
        self._shapes = ShapeChoice(self.task.inference.sample_rate)

    @property
    def frame_seconds(self) -> float:
        """Seconds of audio per frame."""
        return self.task.inference.frame_seconds

    @property
    def width(self) -> int:
        """D, of the frames."""
        return self.task.inference.width

    def extract(self, inputs: Any, *, progress: bool = False, **options: Unpack[RowOptions]) -> list[Extracted]:
        """Computes the frames of all inputs, in order. A result does not depend on the other inputs.

        Args:
          inputs: a path (of an audio file, a folder, a .jsonl or .json manifest), an array of samples ([S], [S C]
            or [C S]; float in [-1, 1], or integers), or an iterable of all these.
          progress: show a bar.
          options: see `inference.options.RowOptions`: batch_size, sample_rate, channel, on_error.

        Raises:
          SpeechError: an input or option is invalid; the message is one line.
        """
        results = self.extract_iter(inputs, **options)
        return list(with_bar(results, inputs) if progress else results)

    def extract_iter(self, inputs: Any, **options: Unpack[RowOptions]) -> Iterator[Extracted]:
        """Like `extract`, but yields each result as soon as it and all earlier ones are ready, in bounded memory."""
        asked, kind = wanted(options, RowOptions, call="extract"), self.task.inference
        at_once = [Strategy(partial(self._programs.start, self.variables))]
        shortest = max(kind.shortest_seconds * kind.sample_rate, 1.0)
        chosen: Any = {"sample_rate": kind.sample_rate, "shortest": shortest, "shapes": self._shapes}
        rows = predicted_rows(find_recordings(inputs), at_once, asked, **chosen)
        return results_of(rows, self._extracted, self._failed, on_error=asked.on_error)

    def _extracted(self, row: Row[Any]) -> Extracted:
        kind, source = self.task.inference, row.recording.source
        duration = len(row.samples) / kind.sample_rate
        if row.prediction is None:
            raise AudioError(
                f"{source}: {duration * 1000:.0f} ms of audio are too short; this model needs "
                f"{kind.shortest_seconds * 1000:.0f} ms or more"
            )
        frames, count = row.prediction
        return Extracted(source, duration, np.asarray(frames[: int(count)], np.float32), note=row.note)

    def _failed(self, row: Row[Any], error: SpeechError) -> Extracted:
        return Extracted(row.recording.source, 0.0, np.zeros((0, self.width), np.float32), str(error))
