"""Computes the frames of a pretrained encoder for recordings: load a model, extract.

    encoder = load("nest.jaxspeech", FeatureExtractor)
    encoder.extract(["a.wav", "folder", samples])[0].frames  # [T D]
    load("nest.jaxspeech", FeatureExtractor, layers=(3, 7)).extract("a.wav")[0].layers[1]  # [T D] after layer 7

recordings -> rows of frames (inference/rows.py)
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, Unpack

import numpy as np
from jaxtyping import Float

from jaxspeech.archive import Archive
from jaxspeech.errors import AudioError, ConfigError, SpeechError
from jaxspeech.inference.inputs import find_recordings
from jaxspeech.inference.options import RowOptions, wanted
from jaxspeech.inference.programs import Programs
from jaxspeech.inference.results import results_of
from jaxspeech.inference.rows import Row, Strategy, predicted_rows
from jaxspeech.inference.shape_choice import ShapeChoice
from jaxspeech.pipelines.doors import with_bar
from jaxspeech.pipelines.pipeline import Pipeline
from jaxspeech.tasks.acoustic import AcousticModel
from jaxspeech.tasks.kinds import Encoding


class Extracted(NamedTuple):
    """The encoder's frames of one recording.

    Attributes:
      source: the file's path, or "array 0", "array 1", ...
      duration: of the audio, in seconds.
      frames: one for every `FeatureExtractor.frame_seconds`; none with an error.
      error: with `on_error="skip"`, one line that says why there are none.
      note: one line about how they were computed, if there is something to report.
      layers: the frames after each of the extractor's layers.
    """

    source: str
    duration: float
    frames: Float[np.ndarray, "T D"]
    error: str | None = None
    note: str | None = None
    layers: tuple[Float[np.ndarray, "T D"], ...] = ()


class FeatureExtractor(Pipeline):
    """A pretrained encoder; what all pipelines have is documented at `Pipeline`."""

    takes = Encoding

    def __init__(self, archive: Archive, *, dtype: str | None = None, layers: Sequence[int] | None = None):
        """Puts the model on the device.

        Args:
          archive: the content of a model file.
          dtype: of the matrix products; None: as in the configuration.
          layers: numbers of the layers, from 0, whose frames are wanted too (see `encoders.layer_outputs`).

        Raises:
          ConfigError: it is not a pretrained encoder, or has no such layers.
        """
        super().__init__(archive, dtype=dtype)
        encode, name = self.task.inference.encode, "extract"
        if layers is not None:
            if not isinstance(self.model, AcousticModel):
                raise ConfigError(f"layers {tuple(layers)}: this model returns its last frames alone")
            self.model.check_layers(layers)
            encode, name = partial(_encode_layers, self.model, tuple(layers)), f"extract {tuple(layers)}"
        self._programs = Programs(self.task, encode, name=name, config=self.config)
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
        frames, count, *outputs = row.prediction
        layers = tuple(np.asarray(of_layer[: int(n)], np.float32) for of_layer, n in (outputs[0] if outputs else ()))
        return Extracted(source, duration, np.asarray(frames[: int(count)], np.float32), note=row.note, layers=layers)

    def _failed(self, row: Row[Any], error: SpeechError) -> Extracted:
        return Extracted(row.recording.source, 0.0, np.zeros((0, self.width), np.float32), str(error))


def _encode_layers(
    model: AcousticModel, layers: tuple[int, ...], variables: Any, samples: Any, num_samples: Any
) -> tuple[Any, Any, list[tuple[Any, Any]]]:
    apply: Any = model.apply
    encoded, num_frames, outputs = apply(variables, samples, num_samples, layers, method="encode_layers")
    return encoded, num_frames, [tuple(output) for output in outputs]
