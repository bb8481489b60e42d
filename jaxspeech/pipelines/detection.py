"""Segments of a class in recordings: speech, from the probabilities of frames."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.smoothing import smooth
from jaxspeech.audio.speech_segments import SegmentOptions, speech_segments
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.pipelines.classified import Classified

SPEECH = "speech"


class Detected(NamedTuple):
    """Where a recording has speech, or any other class.

    Attributes:
      source: the file's path, or "array 0", "array 1", ...
      duration: of the audio, in seconds.
      segments: (start, end) of each, in seconds, in order, without overlaps.
      probabilities: of the class in each frame.
      frame_seconds: from the start of a frame to that of the next.
      error: with `on_error="skip"`, one line that says why there is no result.
      note: one line about how it was computed, if there is something to report.
    """

    source: str
    duration: float
    segments: list[tuple[float, float]]
    probabilities: Float[np.ndarray, " T"]
    frame_seconds: float
    error: str | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class WindowOptions:
    """How the probabilities of a model of clips are computed over a recording.

    Attributes:
      seconds: length of the window around each moment.
      exact: compute each window by itself, as NeMo; otherwise all are encoded at once (see inference/clip_windows.py).
      smoothing: "mean" or "median" of overlapping windows, as NeMo (see audio/smoothing.py); None for none.
      overlap: share of a window that the next one overlaps, for the smoothing.
    """

    seconds: int | float = 0.63
    exact: bool = False
    smoothing: str | None = None
    overlap: int | float = 0.875


def window_options(options: dict[str, Any]) -> WindowOptions:
    """Makes the options from keyword arguments.

    Raises:
      ConfigError: one of them does not exist; names the nearest.
    """
    known = WindowOptions.__dataclass_fields__
    for name in options:
        if name not in known:
            raise ConfigError(f"{name} is not an option of windows{did_you_mean(name, known)}")
    return WindowOptions(**options)


def smoothed_windows(
    options: WindowOptions, shift_seconds: float, probabilities: Float[np.ndarray, " T"]
) -> Float[np.ndarray, " T"]:
    """Smooths the probabilities of windows as the options say."""
    if options.smoothing is None:
        return probabilities
    times = {"window_seconds": float(options.seconds), "shift_seconds": shift_seconds, "frame_seconds": shift_seconds}
    return smooth(probabilities, options.smoothing, overlap=float(options.overlap), **times)


def unsmoothed(probabilities: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """Returns the probabilities of frames as they are."""
    return probabilities


def class_number(names: Sequence[str], label: str | None) -> int:
    """Finds the class to detect: the named one; "speech"; or the second of two.

    Raises:
      ConfigError: there is no such class, or none is named and it is not clear which one is meant.
    """
    if label is not None:
        if label not in names:
            raise ConfigError(f"label {label!r} is not a class of the model{did_you_mean(label, names)}")
        return names.index(label)
    if SPEECH in names or len(names) == 2:
        return names.index(SPEECH) if SPEECH in names else 1
    raise ConfigError(f"which class is to be found? give its label; known are {', '.join(names)}")


def detected(
    found: Classified,
    number: int,
    *,
    frame_seconds: float,
    options: SegmentOptions,
    smoothed: Callable[[Float[np.ndarray, " T"]], Float[np.ndarray, " T"]],
) -> Detected:
    """Makes the segments of one recording that has been classified frame by frame, or window by window."""
    if found.error is not None:
        return Detected(found.source, found.duration, [], np.zeros(0, np.float32), frame_seconds, found.error)
    probabilities = smoothed(found.probabilities[:, number])
    spans = speech_segments(probabilities, frame_seconds=frame_seconds, options=options, duration=found.duration)
    segments = [(start, end) for start, end in spans.tolist()]
    return Detected(found.source, found.duration, segments, probabilities, frame_seconds, note=found.note)
