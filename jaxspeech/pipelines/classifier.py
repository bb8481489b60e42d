"""Classifies audio: load a model, classify anything.

    commands = load("commands.jaxspeech", Classifier)
    for found in commands.classify_iter(["a.wav", "folder", samples]): print(found.top[0])

recordings -> rows of probabilities (inference/rows.py) -> names
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Unpack

import numpy as np
from jaxtyping import Float

from jaxspeech import exports
from jaxspeech.archive import Archive
from jaxspeech.audio.speech_segments import segment_options
from jaxspeech.errors import AudioError, ConfigError, SpeechError, listed
from jaxspeech.forms.embedding_head import classifying
from jaxspeech.forms.receptive_field import receptive_field
from jaxspeech.inference.clip_windows import ClipWindows
from jaxspeech.inference.dense import Dense
from jaxspeech.inference.frame_stream import FrameStream
from jaxspeech.inference.inputs import find_recordings
from jaxspeech.inference.options import RowOptions, Wanted, wanted
from jaxspeech.inference.programs import Programs
from jaxspeech.inference.results import results_of
from jaxspeech.inference.rows import Row, Strategy, predicted_rows
from jaxspeech.inference.shape_choice import ShapeChoice
from jaxspeech.pipelines.classified import Classified
from jaxspeech.pipelines.detection import (
    Detected,
    WindowOptions,
    class_numbers,
    detected,
    smoothed_windows,
    unsmoothed,
    window_options,
)
from jaxspeech.pipelines.doors import with_bar
from jaxspeech.pipelines.pipeline import Pipeline
from jaxspeech.tasks.acoustic import AcousticModel
from jaxspeech.tasks.kinds import Classification
from jaxspeech.text.classes import Classes


class Classifier(Pipeline):
    """A classification model.

    What all pipelines have is documented at `Pipeline`.

    Attributes:
      names: of the classes, from the asset "classes"; None if the model has none: the classes are "0", "1", ...
    """

    takes = Classification

    def __init__(self, archive: Archive, *, dtype: str | None = None):
        """Puts the model on the device.

        Args:
          archive: the content of a model file.
          dtype: of the matrix products; None: as in the configuration.

        Raises:
          ConfigError: it is not a classification model, nor one of speakers, whose head classifies too.
        """
        super().__init__(archive._replace(model=classifying(archive.model)), dtype=dtype)
        classes = self.assets.get("classes")
        self.names: tuple[str, ...] | None = None if classes is None else tuple(classes.names)
        self._programs = Programs(self.task, self.task.inference.probs, name="classify", config=self.config)
        self._shapes = ShapeChoice(self.task.inference.sample_rate)
        self._dense = _dense(self.task, self._programs)
        self._clip_windows: dict[Any, ClipWindows] = {}

    def export_onnx(self, folder: str | os.PathLike[str], *, own_features: bool = False) -> None:
        """Writes a folder with the model in ONNX; see `exports.export_onnx`."""
        exports.export_onnx(self.archive, folder, own_features=own_features)

    def change_classes(self, names: Iterable[str], *, seed: int = 0) -> "Classifier":
        """Returns the model with other classes, to be trained further; those in both models keep their weights."""
        from jaxspeech.surgery import classes as surgery

        return Classifier(surgery.change_classes(self.archive, Classes(names), seed=seed))

    def classify(
        self, inputs: Any, *, top_k: int | None = None, progress: bool = False, **options: Unpack[RowOptions]
    ) -> list[Classified]:
        """Classifies all inputs, in order. A result does not depend on the other inputs.

        Args:
          inputs: a path (of an audio file, a folder, a .jsonl or .json manifest), an array of samples ([S], [S C]
            or [C S]; float in [-1, 1], or integers), or an iterable of all these.
          top_k: how many classes `Classified.top` lists; None: all.
          progress: show a bar.
          options: see `inference.options.RowOptions`: batch_size, sample_rate, channel, on_error.

        Raises:
          SpeechError: an input or option is invalid; the message is one line.
        """
        results = self.classify_iter(inputs, top_k=top_k, **options)
        return list(with_bar(results, inputs) if progress else results)

    def classify_iter(
        self, inputs: Any, *, top_k: int | None = None, **options: Unpack[RowOptions]
    ) -> Iterator[Classified]:
        """Like `classify`, but yields each result as soon as it and all earlier ones are ready, in bounded memory."""
        asked = wanted(options, RowOptions, call="classify")
        if top_k is not None and (not isinstance(top_k, int) or top_k < 1):
            raise ConfigError(f"top_k is {top_k!r}; it must be a number of classes, 1 or more")
        rows = self._rows(inputs, asked)
        return results_of(rows, partial(self._classified, top_k), _failed, on_error=asked.on_error)

    def _rows(self, inputs: Any, asked: Wanted, windows: ClipWindows | None = None) -> Iterator[Row[Any]]:
        """The rows of predictions: of recordings, of their frames, or of windows over them."""
        kind = self.task.inference
        at_once, long = Strategy(partial(self._programs.start, self.variables)), []
        if windows is not None:
            at_once = Strategy(partial(windows.start, self.variables), alone=True)
        elif self._dense is not None:
            long = [Strategy(partial(self._dense.start, self.variables), alone=True)]
        shortest = max(kind.shortest_seconds * kind.sample_rate, 1.0)
        return predicted_rows(
            find_recordings(inputs),
            [at_once],
            asked,
            sample_rate=kind.sample_rate,
            shortest=shortest,
            long=long,
            shapes=self._shapes if windows is None else None,
        )

    def _windows(self, asked: WindowOptions) -> ClipWindows:
        """The compiled windows of these options, which are kept."""
        seconds = self.model.window_seconds if asked.seconds is None else asked.seconds
        key = (seconds, asked.exact, asked.shift)
        if key not in self._clip_windows:
            chosen: Any = {"window_seconds": seconds, "exact": asked.exact, "shift_seconds": asked.shift}
            self._clip_windows[key] = ClipWindows(self.task, **chosen)
        return self._clip_windows[key]

    def segments(
        self,
        inputs: Any,
        *,
        label: str | Sequence[str] | None = None,
        progress: bool = False,
        postprocessing: Mapping[str, Any] | None = None,
        windows: Mapping[str, Any] | None = None,
        **options: Unpack[RowOptions],
    ) -> list[Detected]:
        """Finds the segments of speech, or of other classes, in all inputs, in order.

        Args:
          inputs: as for `classify`.
          label: the class, or several; by default "speech", the second of two, or all words of a model that has a
            class for everything else (`pipelines.detection.REST`).
          progress: show a bar.
          postprocessing: how probabilities become segments, see `audio.speech_segments.SegmentOptions`: onset, offset,
            pad_onset, pad_offset, min_speech, min_silence, max_speech, ...
          windows: how a model of clips becomes one of frames, see `pipelines.detection.WindowOptions`: seconds, exact,
            smoothing, overlap, shift, average.
          options: see `inference.options.RowOptions`: batch_size, sample_rate, channel, on_error.

        Raises:
          SpeechError: an input or option is invalid; the message is one line.
        """
        chosen: Any = {"label": label, "postprocessing": postprocessing, "windows": windows}
        results = self.segments_iter(inputs, **chosen, **options)
        return list(with_bar(results, inputs) if progress else results)

    def segments_iter(
        self,
        inputs: Any,
        *,
        label: str | Sequence[str] | None = None,
        postprocessing: Mapping[str, Any] | None = None,
        windows: Mapping[str, Any] | None = None,
        **options: Unpack[RowOptions],
    ) -> Iterator[Detected]:
        """Like `segments`, but yields each result as soon as it and all earlier ones are ready."""
        names = self._names(self.model.num_classes)
        numbers = class_numbers(names, label)
        chosen = segment_options(dict(postprocessing or {}))
        seconds, smoothed = self.task.inference.frame_seconds, unsmoothed
        if seconds is not None:
            if windows is not None:
                raise ConfigError("windows are for a model of clips; this one classifies frames")
            found = self.classify_iter(inputs, **options)
        else:
            asked = window_options(dict(windows or {}))
            of_clips = self._windows(asked)
            seconds = of_clips.shift_seconds
            smoothed = partial(smoothed_windows, asked, of_clips.window_seconds, seconds)
            rows = self._rows(inputs, wanted(options, RowOptions, call="segments"), of_clips)
            make = partial(self._classified, None, frames=True)
            found = results_of(rows, make, _failed, on_error=options.get("on_error", "raise"))
        make_segments = partial(detected, frame_seconds=seconds, options=chosen, smoothed=smoothed)
        return (make_segments(result, numbers, names) for result in found)

    def stream(self, *, look_ahead: int | None = None, step: int = 5) -> FrameStream:
        """Opens a live stream: `stream.feed(samples)` returns the probabilities of new frames, `finish()` of the last.

        Args:
          look_ahead: frames after a frame that are waited for; by default all that affect it, with which the result is
            that of the whole recording. `stream.latency_seconds` is how much later a frame comes.
          step: frames that are returned together.

        Raises:
          ConfigError: the model does not classify frames, or a frame depends on the whole recording.
        """
        field = receptive_field(self.model) if isinstance(self.model, AcousticModel) else None
        seconds = self.task.inference.frame_seconds
        if seconds is None or field is None:
            what = "classifies whole recordings" if seconds is None else "looks at the whole recording for each frame"
            raise ConfigError(f"stream: this model {what}, so that it cannot run live")
        rate = self.task.inference.sample_rate
        return FrameStream(
            self._programs,
            self.variables,
            frame=round(seconds * rate),
            sample_rate=rate,
            field=field,
            num_classes=self.model.num_classes,
            look_ahead=look_ahead,
            step=step,
        )

    def speech_class(self, label: str | None = None) -> int:
        """Returns the number of the named class; by default of "speech", or of the second of two.

        Raises:
          ConfigError: there is no such class, or none is named and it is not clear which one is meant.
        """
        names = self._names(self.model.num_classes)
        numbers = class_numbers(names, label)
        if len(numbers) > 1:
            raise ConfigError(f"which class is to be found? give its label; known are {listed(names)}")
        return numbers[0]

    def __call__(self, samples: Float[np.ndarray, " S"], sample_rate: int) -> list[tuple[float, float]]:
        """Finds speech, as a `VoiceActivity` for `Recognizer.transcribe`: see `segments`, whose defaults hold."""
        [found] = self.segments([samples], sample_rate=sample_rate)
        return found.segments

    def _classified(self, top_k: int | None, row: Row[Any], *, frames: bool = False) -> Classified:
        kind, source = self.task.inference, row.recording.source
        duration = len(row.samples) / kind.sample_rate
        if row.prediction is None:
            if not len(row.samples):
                raise AudioError(f"{source}: holds no samples")
            raise AudioError(
                f"{source}: {duration * 1000:.0f} ms of audio are too short; this model needs "
                f"{kind.shortest_seconds * 1000:.0f} ms or more"
            )
        if kind.frame_seconds is None and not frames:
            probabilities = mean = np.asarray(row.prediction)
        else:
            padded, num_frames = row.prediction
            probabilities = padded[:num_frames].copy()  # so that the rest of its batch can be freed
            mean = probabilities.mean(0) if len(probabilities) else np.zeros(padded.shape[1:], padded.dtype)
        return Classified(source, duration, self._top(mean)[:top_k], probabilities)

    def _names(self, count: int) -> tuple[str, ...]:
        """The names of the classes, of which the model has `count`."""
        names = self.names or tuple(map(str, range(count)))
        if len(names) != count:
            raise ConfigError(f"the model has {count} classes, but names for {len(names)} of them")
        return names

    def _top(self, probabilities: Float[np.ndarray, " C"]) -> list[tuple[str, float]]:
        names = self._names(len(probabilities))
        order = np.argsort(-probabilities, kind="stable")
        return [(names[i], float(probabilities[i])) for i in order]


def _dense(task: Any, programs: Programs) -> Dense | None:
    """Returns the way to classify long recordings in windows; None if a frame depends on all of the recording."""
    kind = task.inference
    if kind.frame_seconds is None or not isinstance(task.model, AcousticModel):
        return None
    field = receptive_field(task.model)
    if field is None:
        return None
    frame = round(kind.frame_seconds * kind.sample_rate)
    return Dense(programs, frame=frame, sample_rate=kind.sample_rate, context=field.both)


def _failed(row: Row[Any], error: SpeechError) -> Classified:
    return Classified(row.recording.source, 0.0, [], np.zeros(0, np.float32), str(error))
