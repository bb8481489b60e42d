"""Classifies audio: load a model, classify anything.

    commands = load("commands.jaxspeech", Classifier)
    for found in commands.classify_iter(["a.wav", "folder", samples]): print(found.top[0])

recordings -> rows of probabilities (inference/rows.py) -> names
"""

import os
from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar, NamedTuple, Unpack

import numpy as np
from jaxtyping import Float

from jaxspeech import exports
from jaxspeech.archive import Archive
from jaxspeech.errors import AudioError, ConfigError, SpeechError
from jaxspeech.inference.inputs import find_recordings
from jaxspeech.inference.options import RowOptions, wanted
from jaxspeech.inference.programs import Programs
from jaxspeech.inference.results import results_of
from jaxspeech.inference.rows import Row, Strategy, predicted_rows
from jaxspeech.pipelines.doors import open_model, with_bar
from jaxspeech.tasks.kinds import Classification


class Classified(NamedTuple):
    """The classes of one recording.

    Attributes:
      source: the file's path, or "array 0", "array 1", ...
      duration: of the audio, in seconds.
      top: (name, probability) of every class, the most probable first; for a frame-level model, means over frames.
      probabilities: [C], or [T C] for a frame-level model, one row per `frame_seconds`.
      error: with `on_error="skip"`, one line that says why the recording could not be classified.
    """

    source: str
    duration: float
    top: list[tuple[str, float]]
    probabilities: Float[np.ndarray, "*T C"]
    error: str | None = None


class Classifier:
    """A classification model.

    Attributes:
      task: the pure functions of the model (see `tasks.Task`).
      model: the Flax module.
      variables: nested dicts of arrays on the device; may be replaced by others of the same shapes.
      config: the configuration from which `build` makes the task.
      assets: the model's files besides its weights.
      metadata: further entries of the model file.
      names: of the classes, from the asset "classes"; None if the model has none: the classes are "0", "1", ...
    """

    takes: ClassVar[type] = Classification

    def __init__(self, archive: Archive, *, dtype: str | None = None):
        """Puts the model on the device.

        Args:
          archive: the content of a model file.
          dtype: of the matrix products; None: as in the configuration.

        Raises:
          ConfigError: it is not a classification model.
        """
        self.config, self.task, self.variables = open_model(archive, self.takes, dtype=dtype)
        self.model = self.task.model
        self.assets, self.metadata = archive.assets, archive.metadata
        classes = self.assets.get("classes")
        self.names: tuple[str, ...] | None = None if classes is None else tuple(classes.names)
        self._programs = Programs(self.task, self.task.inference.probs, name="classify", config=self.config)

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

    def classify(self, inputs: Any, *, progress: bool = False, **options: Unpack[RowOptions]) -> list[Classified]:
        """Classifies all inputs, in order. A result does not depend on the other inputs.

        Args:
          inputs: a path (of an audio file, a folder, a .jsonl or .json manifest), an array of samples ([S], [S C]
            or [C S]; float in [-1, 1], or integers), or an iterable of all these.
          progress: show a bar.
          options: see `inference.options.RowOptions`: batch_size, sample_rate, channel, on_error.

        Raises:
          SpeechError: an input or option is invalid; the message is one line.
        """
        results = self.classify_iter(inputs, **options)
        return list(with_bar(results, inputs) if progress else results)

    def classify_iter(self, inputs: Any, **options: Unpack[RowOptions]) -> Iterator[Classified]:
        """Like `classify`, but yields each result as soon as it and all earlier ones are ready, in bounded memory."""
        asked = wanted(options, RowOptions, call="classify")
        at_once = [Strategy(partial(self._programs.start, self.variables))]
        rate = self.task.inference.sample_rate
        rows = predicted_rows(find_recordings(inputs), at_once, asked, sample_rate=rate)
        return results_of(rows, self._classified, _failed, on_error=asked.on_error)

    def _classified(self, row: Row[Any]) -> Classified:
        source, duration = row.recording.source, len(row.samples) / self.task.inference.sample_rate
        if row.prediction is None:
            raise AudioError(f"{source}: holds no samples")
        if self.task.inference.frame_seconds is None:
            probabilities = mean = np.asarray(row.prediction)
        else:
            frames, num_frames = row.prediction
            probabilities = frames[:num_frames].copy()  # so that the rest of its batch can be freed
            mean = probabilities.mean(0) if len(probabilities) else np.zeros(frames.shape[1:], frames.dtype)
        return Classified(source, duration, self._top(mean), probabilities)

    def _top(self, probabilities: Float[np.ndarray, " C"]) -> list[tuple[str, float]]:
        names = self.names or tuple(map(str, range(len(probabilities))))
        if len(names) != len(probabilities):
            raise ConfigError(f"the model has {len(probabilities)} classes, but names for {len(names)} of them")
        order = np.argsort(-probabilities, kind="stable")
        return [(names[i], float(probabilities[i])) for i in order]


def _failed(row: Row[Any], error: SpeechError) -> Classified:
    return Classified(row.recording.source, 0.0, [], np.zeros(0, np.float32), str(error))
