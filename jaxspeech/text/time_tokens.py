"""Times inside a text: tokens of encoder frames before and after each word, as some attention decoders write them.

<|12|> word <|17|> <|20|> next <|25|>
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

TIME = re.compile(r"<\|([0-9]{1,6})\|>")
# A text in which fewer of the times than this share can be used is as one without times.
LEAST_SHARE = 0.5


class TimedIds(NamedTuple):
    """A text without its times.

    Attributes:
      places: which of the tokens are left.
      starts, ends: of each of these, in frames. Several tokens between two times divide the time evenly.
    """

    places: Int[np.ndarray, " N"]
    starts: Float[np.ndarray, " N"]
    ends: Float[np.ndarray, " N"]


def frames_of_tokens(pieces: Sequence[str]) -> dict[int, int]:
    """Returns those of a tokenizer's tokens that stand for a time, and the encoder frame of each."""
    found = ((i, TIME.fullmatch(piece)) for i, piece in enumerate(pieces))
    return {i: int(match[1]) for i, match in found if match}


def without_times(ids: Sequence[int], frames: dict[int, int], *, num_frames: float) -> TimedIds | None:
    """Takes the times out of a text, and gives them to the words between them.

    A time that is missing, after the end, or smaller than those before it, is placed between its neighbours.

    Args:
      ids: of the text.
      frames: of `frames_of_tokens`.
      num_frames: of the recording; no time is larger.

    Returns:
      None if the text has too few times.
    """
    groups: list[list[int]] = []  # places of the tokens between two times
    borders: list[float] = []  # start and end of each group
    times, start, open_group = 0, np.nan, False
    for place, token in enumerate(ids):
        if token not in frames:
            if not open_group:
                groups.append([])
                borders += [start, np.nan]
                start, open_group = np.nan, True
            groups[-1].append(place)
            continue
        times += 1
        if open_group:
            borders[-1], open_group = float(frames[token]), False
        else:
            start = float(frames[token])
    known = np.array(borders)
    known[~(known <= num_frames)] = np.nan
    known = _ascending(known)
    if not times or np.isfinite(known).sum() < LEAST_SHARE * len(known):
        return None
    at = np.flatnonzero(np.isfinite(known)).tolist()
    whole = np.interp(np.arange(len(known)), [-1, *at, len(known)], [0.0, *known[at], num_frames])
    starts, ends = [], []
    for group, begin, end in zip(groups, whole[::2], whole[1::2], strict=True):
        share = np.linspace(begin, end, len(group) + 1)
        starts += share[:-1].tolist()
        ends += share[1:].tolist()
    places = [place for group in groups for place in group]
    return TimedIds(np.array(places, np.int64), np.array(starts), np.array(ends))


def _ascending(values: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Keeps the longest series of values of which none is smaller than one before it; the others become NaN."""
    tails: list[float] = []  # the smallest last value of a series of each length
    last: list[int] = []  # its place
    before = np.full(len(values), -1)
    for i in np.flatnonzero(np.isfinite(values)).tolist():
        length = bisect_right(tails, values[i])
        before[i] = last[length - 1] if length else -1
        tails[length : length + 1], last[length : length + 1] = [float(values[i])], [i]
    kept = np.full(len(values), np.nan)
    place = last[-1] if last else -1
    while place >= 0:
        kept[place] = values[place]
        place = int(before[place])
    return kept
