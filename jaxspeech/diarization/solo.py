"""Finds the stretches of a recording in which only one speaker speaks."""

from collections import Counter
from collections.abc import Iterable

from jaxspeech.diarization.turns import Turn


def solo_turns(turns: Iterable[Turn]) -> list[Turn]:
    """Returns the parts of turns in which nobody else speaks, in order; those of one speaker that touch are one."""
    events = sorted(event for start, end, name in turns if start < end for event in ((start, 1, name), (end, -1, name)))
    found: list[Turn] = []
    active: Counter[str] = Counter()
    since = 0.0
    for time, change, name in events:
        if len(active) == 1 and time > since:
            [alone] = active
            if found and found[-1].speaker == alone and found[-1].end == since:
                since = found.pop().start
            found.append(Turn(since, time, alone))
        active[name] += change
        if not active[name]:
            del active[name]
        since = time
    return found
