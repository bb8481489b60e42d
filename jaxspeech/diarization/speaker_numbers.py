"""Obeys known numbers of speakers, and known speech, in the activity of speakers."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxspeech.audio.speech_segments import SegmentOptions
from jaxspeech.diarization.activity_turns import runs, turns_of_activity
from jaxspeech.errors import ConfigError

# A speaker who must be heard is where he is at least this probable, relative to where he is most probable, and no
# longer than this, in seconds.
NEARLY, LONGEST_SECONDS = 0.9, 1.0
# More speakers than any recording has.
UNLIMITED = 1 << 30


class Numbers(NamedTuple):
    """The least and the most speakers."""

    least: int = 1
    most: int = UNLIMITED


def speaker_numbers(
    num_speakers: int | None = None, min_speakers: int | None = None, max_speakers: int | None = None
) -> Numbers:
    """Returns the numbers that are meant; there is no largest one by default.

    Raises:
      ConfigError: one is not a whole number of 1 or more, or they contradict each other.
    """
    given = {"num_speakers": num_speakers, "min_speakers": min_speakers, "max_speakers": max_speakers}
    for name, value in given.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ConfigError(f"{name} is {value!r}; it must be a whole number of 1 or more")
    if num_speakers is not None:
        for name, value in (("min_speakers", min_speakers), ("max_speakers", max_speakers)):
            if value is not None:
                raise ConfigError(f"num_speakers is {num_speakers}: leave out {name}, which is for unknown numbers")
        return Numbers(num_speakers, num_speakers)
    least = 1 if min_speakers is None else min_speakers
    if max_speakers is not None and least > max_speakers:
        raise ConfigError(f"min_speakers is {least}, which is more than max_speakers, {max_speakers}")
    return Numbers(least, UNLIMITED if max_speakers is None else max_speakers)


def with_most(activity: Float[np.ndarray, "T S"], most: int, *, border: float = 0.5) -> Float[np.ndarray, "T S"]:
    """Leaves at most so many speakers who are active; what the others say is given to those.

    Each of the others is taken for the one who is most probable beside him while he speaks.
    """
    if not len(activity):
        return activity
    order = np.lexsort((-activity.max(0), -(activity > border).sum(0)))
    kept, rest = order[:most], order[most:]
    found = activity.copy()
    for speaker in rest:
        frames = activity[:, speaker] > border
        if frames.any():
            taker = kept[int(activity[frames][:, kept].mean(0).argmax())]
            found[:, taker] = np.maximum(found[:, taker], activity[:, speaker])
        found[:, speaker] = 0
    return found


def heard_at_all(
    activity: Float[np.ndarray, "T S"], least: int, *, options: SegmentOptions, frame_seconds: float
) -> Bool[np.ndarray, "T S"] | None:
    """Returns where speakers without a turn must be active, so that at least so many have one; None: nowhere.

    Where nobody speaks at all, nobody must.
    """
    found = turns_of_activity(activity, frame_seconds=frame_seconds, options=options)
    speaking = {turn.speaker for turn in found.turns}
    names = [f"speaker_{number}" for number in range(activity.shape[1])]
    missing = [number for number, name in enumerate(names) if name not in speaking]
    wanted = min(least - len(speaking), len(missing))
    if not speaking or wanted <= 0:
        return None
    forced = np.zeros(activity.shape, bool)
    # Long enough to survive as a turn.
    shortest = int(np.ceil((options.min_speech - min(options.pad_onset + options.pad_offset, 0)) / frame_seconds)) + 1
    for speaker in sorted(missing, key=lambda number: -activity[:, number].max())[:wanted]:
        own = activity[:, speaker]
        best = int(own.argmax())
        [(first, last)] = [run for run in runs(own >= NEARLY * own[best]).tolist() if run[0] <= best < run[1]]
        size = min(max(last - first, shortest), max(shortest, round(LONGEST_SECONDS / frame_seconds)))
        if last - first != size:
            first = max(min(best - size // 2, len(own) - size), 0)
            last = first + size
        forced[first:last, speaker] = True
    return forced


def within_speech(
    activity: Float[np.ndarray, "T S"],
    speech: Iterable[Sequence[Any]],
    *,
    frame_seconds: float,
    border: float = 0.5,
) -> Float[np.ndarray, "T S"]:
    """Silences speakers where there is no speech; where there is and nobody is active, the most probable one is.

    Args:
      activity: of the speakers.
      speech: (start, end) of all stretches of speech, in seconds; more fields are ignored.
      frame_seconds: of a frame.
      border: above it a speaker is active.
    """
    spoken = np.zeros(len(activity), bool)
    for start, end, *_ in speech:
        spoken[round(start / frame_seconds) : round(end / frame_seconds)] = True
    found = np.where(spoken[:, None], activity, 0).astype(np.float32)
    silent = np.flatnonzero(spoken & ~(activity > border).any(1))
    found[silent, activity[silent].argmax(1)] = np.nextafter(np.float32(border), np.float32(1))
    return found
