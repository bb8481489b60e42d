"""Turns the probability of speech in each frame into segments of speech.

    on_t = p_t > onset, where off before;    off_t = p_t < offset, where on before
    segment = [start - pad_onset, end + pad_offset];    segments that touch are one

then short segments are dropped, and short silences filled, or the other way round. All of it is computed at once for
all frames, and equal to NeMo's loops (`binarization` and `filtering` of vad_utils.py), with three differences: a
segment at the end of a recording has its last frame, padded segments end with the recording, and there is a longest
segment.

NeMo compares times in float32. So does this code, as it decides whether a segment of exactly the shortest length stays;
the times themselves are float64.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from jaxspeech.errors import ConfigError, did_you_mean

Number = int | float
# Start and end of each, in seconds.
Segments = Float[np.ndarray, "_ 2"]
SCALES = ("absolute", "relative", "percentile")


@dataclass(frozen=True, kw_only=True)
class SegmentOptions:
    """How probabilities become segments; all durations in seconds.

    Attributes:
      onset: speech begins where the probability is above it.
      offset: speech ends where the probability is below it; above `onset`, frames between the two alternate.
      pad_onset, pad_offset: added before and after each segment; negative: cut off.
      min_speech: shorter segments are dropped.
      min_silence: shorter gaps are filled.
      silence_first: fill gaps before short segments are dropped.
      max_speech: longer segments are split where speech is least probable; None: no limit.
      scale: of the thresholds: "absolute"; "relative" to the range of the recording's probabilities; or "percentile",
        relative to the range between the first and the last hundredth of them.
      last_frame: a segment that lasts until the last frame includes it; NeMo's ends where that frame begins.
    """

    onset: Number = 0.5
    offset: Number = 0.5
    pad_onset: Number = 0.0
    pad_offset: Number = 0.0
    min_speech: Number = 0.0
    min_silence: Number = 0.0
    silence_first: bool = False
    max_speech: Number | None = None
    scale: str = "absolute"
    last_frame: bool = True

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise ConfigError(f"scale {self.scale!r}{did_you_mean(str(self.scale), SCALES)}")
        for name in ("onset", "offset"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise ConfigError(f"{name} is {value!r}; probabilities are compared with it, so it is between 0 and 1")
        for name in ("min_speech", "min_silence"):
            if not (value := getattr(self, name)) >= 0:
                raise ConfigError(f"{name} is {value!r}; it must be a number of seconds, 0 or more")
        if self.max_speech is not None and not self.max_speech > 0:
            raise ConfigError(f"max_speech is {self.max_speech!r}; it must be a number of seconds above 0, or None")


def segment_options(options: dict[str, Any]) -> SegmentOptions:
    """Makes the options from keyword arguments.

    Raises:
      ConfigError: one of them does not exist or is invalid; names the nearest.
    """
    known = SegmentOptions.__dataclass_fields__
    for name in options:
        if name not in known:
            raise ConfigError(f"{name} is not an option of segments{did_you_mean(name, known)}")
    return SegmentOptions(**options)


def speech_segments(
    probabilities: Float[Any, " T"],
    *,
    frame_seconds: Number,
    options: SegmentOptions | None = None,
    duration: Number | None = None,
) -> Segments:
    """Finds the segments of speech.

    Args:
      probabilities: of speech in each frame.
      frame_seconds: from the start of a frame to that of the next.
      options: see `SegmentOptions`; the defaults if None.
      duration: of the recording, in seconds, where padded segments end; None: they may end after it.

    Returns:
      Start and end of each segment in seconds, in order, without overlaps.
    """
    options = SegmentOptions() if options is None else options
    p = np.asarray(probabilities, np.float32)
    found = _padded(is_speech(p, options), options, frame_seconds)
    found = _merged(found)
    if options.silence_first:
        found = _without_short(_filled(found, options.min_silence), options.min_speech)
    else:
        found = _filled(_without_short(found, options.min_speech), options.min_silence)
    found = np.sort(found, axis=0)
    if duration is not None:
        found = np.clip(found, 0.0, duration)
        found = found[found[:, 1] > found[:, 0]]
    if options.max_speech is not None:
        found = _split(found, p, frame_seconds, options.max_speech)
    return found


def is_speech(probabilities: Float[np.ndarray, " T"], options: SegmentOptions) -> Bool[np.ndarray, " T"]:
    """Decides on each frame, with the two thresholds.

    A frame turns speech on, turns it off, does neither, or (above onset and below offset) changes whatever was before.
    """
    onset, offset = thresholds(probabilities, options)
    on, off = probabilities > onset, probabilities < offset
    sets, frames = on ^ off, np.arange(len(probabilities))
    last = np.maximum.accumulate(np.where(sets, frames, -1)) if len(frames) else frames
    changes = np.cumsum(on & off)
    before = np.where(last >= 0, on[last], False)
    since = changes - np.where(last >= 0, changes[last], 0)
    return before ^ (since % 2 == 1)


def thresholds(probabilities: Float[np.ndarray, " T"], options: SegmentOptions) -> tuple[np.float32, np.float32]:
    """Computes onset and offset on the scale of the options."""
    low, high = 0.0, 1.0
    if options.scale != "absolute" and len(probabilities):
        ordered = np.sort(probabilities).astype(np.float64)
        low, high = float(ordered[0]), float(ordered[-1])
        if options.scale == "percentile":
            low, high = (float(ordered[math.ceil(len(ordered) * share / 100) - 1]) for share in (1, 99))
    onset, offset = (low + value * (high - low) for value in (options.onset, options.offset))
    return np.float32(onset), np.float32(offset)


def _padded(speech: Bool[np.ndarray, " T"], options: SegmentOptions, frame_seconds: Number) -> Segments:
    edges = np.diff(np.concatenate([[False], speech, [False]]).astype(np.int8))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    closed = ends < len(speech)
    ends = np.where(closed | options.last_frame, ends, len(speech) - 1)
    start = np.maximum(0.0, starts * float(frame_seconds) - options.pad_onset)
    end = ends * float(frame_seconds) + options.pad_offset
    # NeMo keeps the last segment even if its negative padding is more than the whole.
    kept = (end > start) | (~closed & (not options.last_frame))
    return np.stack([start, end], 1)[kept]


def _merged(segments: Segments) -> Segments:
    """Joins neighbours that touch."""
    segments = segments[np.argsort(segments[:, 0], kind="stable")]
    if len(segments) < 2:
        return segments
    single = segments.astype(np.float32)
    touches = single[:-1, 1] >= single[1:, 0]
    heads, tails = np.append(True, ~touches), np.append(~touches, True)
    return np.stack([segments[heads, 0], segments[tails, 1]], 1)


def _long(segments: Segments, seconds: Number) -> Bool[np.ndarray, " N"]:
    single = segments.astype(np.float32)
    return single[:, 1] - single[:, 0] >= np.float32(seconds)


def _without_short(segments: Segments, seconds: Number) -> Segments:
    return segments[_long(segments, seconds)] if seconds > 0 else segments


def _filled(segments: Segments, seconds: Number) -> Segments:
    if not seconds > 0 or len(segments) < 2:
        return segments
    gaps = np.stack([segments[:-1, 1], segments[1:, 0]], 1)
    short = gaps[~_long(gaps, seconds)]
    return _merged(np.concatenate([segments, short]))


def _split(segments: Segments, p: Float[np.ndarray, " T"], frame_seconds: Number, most: Number) -> Segments:
    """Splits what is longer than `most` at the least probable frame of the second half of what is allowed."""
    parts: list[tuple[float, float]] = []
    for start, end in segments.tolist():
        while end - start > most + 1e-6:  # more than rounding
            first = min(int((start + most / 2) / frame_seconds), len(p) - 1)
            last = max(min(math.floor((start + most) / frame_seconds + 1e-6), len(p) - 1), first)
            cut = (first + int(np.argmin(p[first : last + 1]))) * float(frame_seconds)
            cut = min(cut, start + most) if cut > start else start + most
            parts.append((start, cut))
            start = cut
        parts.append((start, end))
    return np.array(parts, np.float64).reshape(-1, 2)
