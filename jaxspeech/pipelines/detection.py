"""Segments of classes in recordings, from the probabilities of frames: speech, or words that are spotted.

Each class has segments of its own. Where those of different classes overlap, the one with the highest probability is
kept, as only one word is said at a time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.smoothing import smooth
from jaxspeech.audio.speech_segments import SegmentOptions, speech_segments
from jaxspeech.errors import ConfigError, did_you_mean, listed
from jaxspeech.pipelines.classified import Classified

SPEECH = "speech"
# Names of classes that stand for the absence of all others.
REST = ("other", "background", "noise", "silence", "unknown", "_background_noise_", "_silence_", "_unknown_")


class Detected(NamedTuple):
    """Where a recording has speech, or any other classes.

    Attributes:
      source: the file's path, or "array 0", "array 1", ...
      duration: of the audio, in seconds.
      segments: (start, end) of each, in seconds, in order, without overlaps.
      probabilities: of the class in each frame, [T]; of several classes [T L].
      frame_seconds: from the start of a frame to that of the next.
      error: with `on_error="skip"`, one line that says why there is no result.
      note: one line about how it was computed, if there is something to report.
      labels: the class of each segment.
      scores: the highest probability in each segment.
    """

    source: str
    duration: float
    segments: list[tuple[float, float]]
    probabilities: Float[np.ndarray, "T *L"]
    frame_seconds: float
    error: str | None = None
    note: str | None = None
    labels: Sequence[str] = ()
    scores: Sequence[float] = ()


@dataclass(frozen=True, kw_only=True)
class WindowOptions:
    """How the probabilities of a model of clips are computed over a recording.

    Attributes:
      seconds: length of the window around each moment; None: the model's `window_seconds`.
      exact: compute each window by itself, as NeMo; otherwise all are encoded at once (see inference/clip_windows.py).
      smoothing: "mean" or "median" of overlapping windows, as NeMo (see audio/smoothing.py); None for none.
      overlap: share of a window that the next one overlaps, for the smoothing.
      shift: seconds from a window to the next one, if they are exact; None: one feature frame.
      average: probabilities are averaged over so many seconds around each moment; 0 for none.
    """

    seconds: int | float | None = None
    exact: bool = False
    smoothing: str | None = None
    overlap: int | float = 0.875
    shift: int | float | None = None
    average: int | float = 0.0


def window_options(options: dict[str, Any]) -> WindowOptions:
    """Makes the options from keyword arguments.

    Raises:
      ConfigError: one of them does not exist; names the nearest.
    """
    known = WindowOptions.__dataclass_fields__
    for name in options:
        if name not in known:
            raise ConfigError(f"{name} is not an option of windows{did_you_mean(name, known)}")
    asked = WindowOptions(**options)
    if asked.shift is not None and not asked.exact:
        raise ConfigError("shift is for exact windows; others are computed for every feature frame")
    if not asked.average >= 0:
        raise ConfigError(f"average is {asked.average!r}; it must be a number of seconds, 0 for none")
    return asked


def smoothed_windows(
    options: WindowOptions, seconds: float, shift_seconds: float, probabilities: Float[np.ndarray, " T"]
) -> Float[np.ndarray, " T"]:
    """Smooths the probabilities of windows of so many seconds as the options say."""
    if options.smoothing is not None:
        times = {"window_seconds": seconds, "shift_seconds": shift_seconds, "frame_seconds": shift_seconds}
        probabilities = smooth(probabilities, options.smoothing, overlap=float(options.overlap), **times)
    return moving_average(probabilities, round(options.average / shift_seconds / 2))


def moving_average(values: Float[np.ndarray, " T"], around: int) -> Float[np.ndarray, " T"]:
    """Averages each value with `around` values before it and after it, as far as there are any."""
    if around < 1 or not len(values):
        return values
    sums, places = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)]), np.arange(len(values))
    first, last = np.maximum(places - around, 0), np.minimum(places + around + 1, len(values))
    return ((sums[last] - sums[first]) / (last - first)).astype(np.float32)


def unsmoothed(probabilities: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """Returns the probabilities of frames as they are."""
    return probabilities


def class_numbers(names: Sequence[str], label: str | Sequence[str] | None) -> list[int]:
    """Finds the classes to detect: the named ones; "speech"; the second of two; or all but one for everything else.

    Raises:
      ConfigError: there is no such class, or none is named and it is not clear which one is meant.
    """
    if label is not None:
        labels = [label] if isinstance(label, str) else list(dict.fromkeys(label))
        for name in labels:
            if name not in names:
                raise ConfigError(f"label {name!r} is not a class of the model{did_you_mean(name, names)}")
        if not labels:
            raise ConfigError("no label is given; name a class to find")
        return [names.index(name) for name in labels]
    if SPEECH in names or len(names) == 2:
        return [names.index(SPEECH) if SPEECH in names else 1]
    words = [number for number, name in enumerate(names) if name not in REST]
    if 0 < len(words) < len(names):
        return words
    raise ConfigError(
        f"which class is to be found? give its label; known are {listed(names)}, and none of them is for everything "
        f"else ({', '.join(REST[:5])})"
    )


def detected(
    found: Classified,
    numbers: Sequence[int],
    names: Sequence[str],
    *,
    frame_seconds: float,
    options: SegmentOptions,
    smoothed: Callable[[Float[np.ndarray, " T"]], Float[np.ndarray, " T"]],
) -> Detected:
    """Makes the segments of one recording that has been classified frame by frame, or window by window."""
    if found.error is not None:
        return Detected(found.source, found.duration, [], np.zeros(0, np.float32), frame_seconds, found.error)
    columns = [smoothed(found.probabilities[:, number]) for number in numbers]
    segments: list[tuple[float, float, str, float]] = []
    for number, probabilities in zip(numbers, columns, strict=True):
        spans = speech_segments(probabilities, frame_seconds=frame_seconds, options=options, duration=found.duration)
        scores = _highest(probabilities, spans, frame_seconds)
        segments += [(start, end, names[number], p) for (start, end), p in zip(spans.tolist(), scores, strict=True)]
    if len(numbers) > 1:
        segments = sorted(strongest(segments))
    return Detected(
        found.source,
        found.duration,
        [(start, end) for start, end, _, _ in segments],
        columns[0] if len(numbers) == 1 else np.stack(columns, 1),
        frame_seconds,
        note=found.note,
        labels=[name for _, _, name, _ in segments],
        scores=[score for _, _, _, score in segments],
    )


def _highest(
    probabilities: Float[np.ndarray, " T"], spans: Float[np.ndarray, "N 2"], frame_seconds: float
) -> list[float]:
    """The highest probability within each segment, whose frame nearest to it counts if it has none."""
    frames = np.clip(np.round(spans / frame_seconds).astype(int), 0, max(len(probabilities) - 1, 0))
    return [float(probabilities[first : max(last, first + 1)].max()) for first, last in frames.tolist()]


def strongest(segments: Sequence[tuple[float, float, str, float]]) -> list[tuple[float, float, str, float]]:
    """Keeps those (start, end, name, score) that overlap none with a higher score; of equal scores the first."""
    kept: list[tuple[float, float, str, float]] = []
    for segment in sorted(segments, key=lambda segment: -segment[3]):
        if all(segment[1] <= start or end <= segment[0] for start, end, *_ in kept):
            kept.append(segment)
    return kept
