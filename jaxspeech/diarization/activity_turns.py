"""Turns the probabilities that speakers are active into turns.

    [T S] at 80 ms -> each frame repeated to 10 ms -> segments of each speaker (audio/speech_segments.py)
        -> times in whole 10 ms -> turns;  the confidence of a turn is the mean probability of its speaker in it

Equal to NeMo's post-processing of Sortformer (`predlist_to_timestamps` and `generate_diarization_output_lines`) with
`last_frame=False`: NeMo's turns that last until the end of a recording end 10 ms before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxspeech.audio.speech_segments import SegmentOptions, segment_options, speech_segments
from jaxspeech.diarization.subsegments import merge_overlaps
from jaxspeech.diarization.turns import Turn
from jaxspeech.errors import ConfigError, did_you_mean

# Times of turns are whole numbers of these, in seconds.
GRID_SECONDS = 0.01
# The settings that NVIDIA published for its Sortformers, each named after the model's version and the data.
SETTINGS: Mapping[str, SegmentOptions] = {
    "v1-dihard3": SegmentOptions(onset=0.64, offset=0.74, pad_onset=0.06, min_speech=0.1, min_silence=0.15),
    "v1-callhome": SegmentOptions(
        onset=0.53, offset=0.49, pad_onset=0.23, pad_offset=0.01, min_speech=0.42, min_silence=0.34
    ),
    "v2-dihard3": SegmentOptions(
        onset=0.56, offset=1.0, pad_onset=0.063, pad_offset=0.002, min_speech=0.007, min_silence=0.151
    ),
    "v2-callhome": SegmentOptions(
        onset=0.641, offset=0.561, pad_onset=0.229, pad_offset=0.079, min_speech=0.511, min_silence=0.296
    ),
}
PREFIX = "speaker_"


class ScoredTurns(NamedTuple):
    """Turns in the order of their starts, and the confidence of each: its speaker's mean probability, from 0 to 1."""

    turns: list[Turn]
    confidences: list[float]


def turn_options(given: str | Mapping[str, Any] | SegmentOptions | None) -> SegmentOptions:
    """Returns the options that are meant by the name of published settings, by keyword arguments, or by themselves.

    Raises:
      ConfigError: there are no such settings, or an option does not exist or is invalid.
    """
    if given is None:
        return SegmentOptions()
    if isinstance(given, SegmentOptions):
        return given
    if isinstance(given, str):
        if given not in SETTINGS:
            raise ConfigError(f"postprocessing {given!r}{did_you_mean(given, SETTINGS)}")
        return SETTINGS[given]
    if not isinstance(given, Mapping):
        raise ConfigError(f"postprocessing is {given!r}; it is options like onset=0.5, or one of {', '.join(SETTINGS)}")
    options = dict(given)
    named = options.pop("settings", None)
    if "onset" in options and "offset" not in options and named is None:
        options["offset"] = min(options["onset"], SegmentOptions.offset)  # above onset, frames would alternate
    changed = segment_options(options)  # checks them
    return changed if named is None else replace(turn_options(named), **options)


def turns_of_activity(
    probabilities: Float[Any, "T S"],
    *,
    frame_seconds: float,
    options: SegmentOptions | None = None,
    duration: float | None = None,
    exclusive: bool = False,
    names: Sequence[str] | None = None,
    forced: Bool[np.ndarray, "T S"] | None = None,
) -> ScoredTurns:
    """Finds the turns of all speakers.

    Args:
      probabilities: that each speaker is active in each frame.
      frame_seconds: from the start of a frame to that of the next, a whole number of 10 ms.
      options: see `SegmentOptions`; the defaults if None.
      duration: of the recording, in seconds, where the last turns end; None: they may end after it.
      exclusive: at any moment at most one speaker, the one that is more probable then.
      names: of the speakers; "speaker_0", ... by default. One who says nothing has no turn.
      forced: frames in which a speaker is active whatever the probabilities are, see `speaker_numbers.heard_at_all`.
    """
    options = SegmentOptions() if options is None else options
    p = np.asarray(probabilities, np.float32)
    names = [f"{PREFIX}{number}" for number in range(p.shape[1])] if names is None else names
    times = max(round(frame_seconds / GRID_SECONDS), 1)
    fine = np.repeat(p, times, axis=0)
    decides = fine if forced is None else np.where(np.repeat(forced, times, axis=0), np.float32(2), fine)
    spans = [_fine_spans(decides[:, speaker], options, duration) for speaker in range(p.shape[1])]
    if exclusive and spans:
        spans = _without_overlap(spans, decides)
    scored = [
        (Turn(start, end, names[speaker]), _mean(fine[:, speaker], start, end))
        for speaker, found in enumerate(spans)
        for start, end in found.tolist()
    ]
    scored.sort(key=lambda pair: pair[0][:2])
    return ScoredTurns([turn for turn, _ in scored], [confidence for _, confidence in scored])


def turn_spans(
    probabilities: Float[Any, " T"],
    *,
    frame_seconds: float,
    options: SegmentOptions | None = None,
    duration: float | None = None,
) -> Float[np.ndarray, "N 2"]:
    """Returns start and end in seconds of each turn of one speaker; takes what `turns_of_activity` does."""
    fine = np.repeat(np.asarray(probabilities, np.float32), max(round(frame_seconds / GRID_SECONDS), 1))
    return _fine_spans(fine, SegmentOptions() if options is None else options, duration)


def _fine_spans(
    fine: Float[np.ndarray, " N"], options: SegmentOptions, duration: float | None
) -> Float[np.ndarray, "M 2"]:
    found = speech_segments(fine, frame_seconds=GRID_SECONDS, options=options, duration=duration)
    # Rounded from float32, in which NeMo computes times: of half a unit it decides what becomes of it.
    rounded = [[round(time, 2) for time in pair] for pair in found.astype(np.float32).tolist()]
    times = np.array(rounded, np.float64).reshape(-1, 2)
    return merge_overlaps(times[times[:, 1] > times[:, 0]])


def _without_overlap(
    spans: Sequence[Float[np.ndarray, "_ 2"]], fine: Float[np.ndarray, "N S"]
) -> list[Float[np.ndarray, "_ 2"]]:
    """Leaves each moment to the most probable of those whose turn it is."""
    ends = [round(times[-1, 1] / GRID_SECONDS) for times in spans if len(times)]
    active = np.zeros((max([len(fine), *ends]), len(spans)), bool)
    for speaker, times in enumerate(spans):
        for first, last in np.round(times / GRID_SECONDS).astype(int).tolist():
            active[first:last, speaker] = True
    probable = np.zeros(active.shape, np.float32)
    probable[: len(fine)] = fine  # a turn that is padded may end after the last frame
    best = np.argmax(np.where(active, probable, -1), axis=1)
    kept = active & (best[:, None] == np.arange(len(spans)))
    return [np.round(runs(kept[:, speaker]) * GRID_SECONDS, 2) for speaker in range(len(spans))]


def runs(active: Bool[np.ndarray, " T"]) -> Any:
    """Returns the first frame of each stretch of True, and the one after its last: [N 2]."""
    edges = np.diff(np.concatenate([[False], active, [False]]).astype(np.int8))
    return np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)], 1)


def _mean(fine: Float[np.ndarray, " N"], start: float, end: float) -> float:
    first = min(round(start / GRID_SECONDS), len(fine) - 1)
    last = max(round(end / GRID_SECONDS), first + 1)
    return float(fine[first:last].mean(dtype=np.float64))
