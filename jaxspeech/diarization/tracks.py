"""Cuts the activity of overlapping windows of a recording into tracks: what one local speaker says in one window.

A window's speakers are only known within it: speaker 0 of a window need not be speaker 0 of the next. A track that has
been embedded can be recognised in other windows. Where too few tracks are there for the number of speakers, they are
cut into pieces.
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxspeech.diarization.activity_turns import runs

# Of a track, so much speech without other speakers is enough to embed it by that alone, in seconds.
ALONE_SECONDS = 1.0
# A longer stretch of a track is not embedded, in seconds: it says no more about the voice.
MOST_SECONDS = 20.0


class Window(NamedTuple):
    """What a model says about a part of a recording: its first frame, and the probabilities of its speakers."""

    first: int
    probabilities: Float[np.ndarray, "T S"]


class Track(NamedTuple):
    """A local speaker of a window, perhaps during a part of it.

    Attributes:
      window: its number.
      speaker: the column of the window's probabilities.
      begin, end: the frames of the window that the track has; the first, and the one after the last.
      active: the frames in which the speaker speaks, from `begin` on.
      alone: those in which nobody else does.
    """

    window: int
    speaker: int
    begin: int
    end: int
    active: Bool[np.ndarray, " T"]
    alone: Bool[np.ndarray, " T"]

    def heard(self, frame_seconds: float) -> Bool[np.ndarray, " T"]:
        """The frames by which the voice is recognised: those without others if they suffice, else all."""
        enough = self.alone.sum() * frame_seconds >= min(ALONE_SECONDS, self.active.sum() * frame_seconds)
        chosen = (self.alone if enough else self.active).copy()
        most = max(int(MOST_SECONDS / frame_seconds), 1)
        chosen[np.flatnonzero(chosen)[most:]] = False
        return chosen


def tracks_of(windows: Sequence[Window], *, border: float = 0.5) -> list[Track]:
    """Returns the tracks of all windows, in order; a speaker who is nowhere above the border has none."""
    found = []
    for number, (_, probabilities) in enumerate(windows):
        active = np.asarray(probabilities) > border
        single = active.sum(1) == 1
        for speaker in np.flatnonzero(active.any(0)).tolist():
            own = active[:, speaker]
            found.append(Track(number, speaker, 0, len(own), own, own & single))
    return found


def pieces_of(tracks: Sequence[Track], *, least: int, frame_seconds: float) -> list[Track]:
    """Cuts tracks at their pauses, and where they are long, until there are at least so many, as far as possible."""
    seconds = 3.0
    pieces = list(tracks)
    while tracks and len(pieces) < least and seconds > frame_seconds:
        longest = max(int(seconds / frame_seconds), 1)
        pieces = [piece for track in tracks for piece in _cut(track, longest)]
        seconds /= 2
    return pieces


def _cut(track: Track, longest: int) -> list[Track]:
    """Cuts a track; a piece lasts until the next one begins, so that all frames belong to one."""
    starts = [
        at
        for first, last in runs(track.active).tolist()
        for at in np.linspace(first, last, -(-(last - first) // longest), endpoint=False, dtype=int).tolist()
    ]
    edges = [0, *starts[1:], len(track.active)]
    return [
        track._replace(
            begin=track.begin + first,
            end=track.begin + last,
            active=track.active[first:last],
            alone=track.alone[first:last],
        )
        for first, last in itertools.pairwise(edges)
    ]


def samples_of(
    track: Track, samples: Float[np.ndarray, " N"], *, frame: int, frame_seconds: float, shortest: int
) -> Float[np.ndarray, " M"]:
    """Returns the audio by which a track's voice is recognised, its stretches joined.

    Args:
      track: one of a window.
      samples: of the window.
      frame: samples of a frame.
      frame_seconds: the same in seconds.
      shortest: less audio is extended to both sides, as far as the window has any, in samples.
    """
    spans = (runs(track.heard(frame_seconds)) + track.begin) * frame
    if not len(spans):
        return np.zeros(0, np.float32)
    missing = shortest - int(np.diff(np.minimum(spans, len(samples))).sum())
    if missing > 0:
        spans[0, 0], spans[-1, 1] = max(spans[0, 0] - missing, 0), spans[-1, 1] + missing
    return np.concatenate([samples[first:last] for first, last in spans.tolist()])


def overlap_links(
    windows: Sequence[Window], tracks: Sequence[Track], *, least_frames: int
) -> list[tuple[int, int, float]]:
    """Compares tracks of neighbouring windows in the frames that both windows have.

    Returns:
      (a track, a track of the next window, frames in which both speak / frames in which either does), where both speak
      in `least_frames` or more.
    """
    by_window: dict[int, list[int]] = {}
    for i, track in enumerate(tracks):
        by_window.setdefault(track.window, []).append(i)
    found: list[tuple[int, int, float]] = []
    for number in range(len(windows) - 1):
        left, right = windows[number], windows[number + 1]
        shared = left.first + len(left.probabilities) - right.first
        if shared <= 0:
            continue
        lefts = {i: _frames(tracks[i], len(left.probabilities))[-shared:] for i in by_window.get(number, [])}
        for j in by_window.get(number + 1, []):
            second = _frames(tracks[j], len(right.probabilities))[:shared]
            for i, first in lefts.items():
                length = min(len(first), len(second))
                both, either = first[:length] & second[:length], first[:length] | second[:length]
                if both.sum() >= least_frames:
                    found.append((i, j, float(both.sum() / either.sum())))
    return found


def _frames(track: Track, total: int) -> Any:
    """The frames of the whole window in which the track's speaker speaks."""
    active = np.zeros(total, bool)
    active[track.begin : track.end] = track.active
    return active
