"""Writes times as a TextGrid, which Praat, ELAN and other phonetics tools read.

Each tier's intervals cover the recording from 0 to its end without gaps; those in pauses are empty. Source:
Praat manual, "TextGrid file formats", the long text format.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.speaker_formats import UNKNOWN
from jaxspeech.search.timestamps import TimedText

SHORTEST_SECONDS = 0.001


class Interval(NamedTuple):
    """An interval of a tier, in seconds; its text is empty in a pause."""

    start: float
    end: float
    text: str


def to_textgrid(*channels: Hypothesis) -> str:
    """The tiers `segments`, `words` and `tokens` of hypotheses with timestamps.

    If each channel was transcribed, the tiers of channel 0 are `segments 0`, `words 0` and `tokens 0`, and so on. With
    speakers, each has tiers of its own, `segments ann` and `words ann`, beside the tokens of all.
    """
    spans: dict[str, tuple[TimedText, ...] | None] = {}
    for channel in channels:
        number = "" if channel.channel is None else f" {channel.channel}"
        tiers_of = {"segments": channel.segments, "words": channel.words}
        if channel.turns is not None:
            tiers_of = _of_speakers(tiers_of)
        spans |= {name + number: tier for name, tier in (tiers_of | {"tokens": channel.chars}).items()}
    # The last frame may extend beyond the recording; a tier must not.
    begun = (span.start + SHORTEST_SECONDS for tier in spans.values() for span in tier or ())
    end = max(SHORTEST_SECONDS, *(channel.duration for channel in channels), *begun)
    tiers = "".join(_tier(number, name, tier or (), end) for number, (name, tier) in enumerate(spans.items(), 1))
    return (
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
        f"xmin = 0 \nxmax = {end:.6f} \ntiers? <exists> \nsize = {len(spans)} \nitem []: \n{tiers}"
    )


def _of_speakers(
    tiers: Mapping[str, tuple[TimedText, ...] | None],
) -> dict[str, tuple[TimedText, ...] | None]:
    """The tiers of each speaker, in the order in which they speak; none if nobody does."""
    names = list(dict.fromkeys(span.speaker for tier in tiers.values() for span in tier or ()))
    return {
        f"{name} {speaker or UNKNOWN}": tuple(span for span in tier or () if span.speaker == speaker)
        for speaker in names
        for name, tier in tiers.items()
    }


def _tier(number: int, name: str, spans: Sequence[TimedText], end: float) -> str:
    intervals = list(tile(spans, end))
    head = (
        f'    item [{number}]:\n        class = "IntervalTier" \n        name = "{_escape(name)}" \n'
        f"        xmin = 0 \n        xmax = {end:.6f} \n        intervals: size = {len(intervals)} \n"
    )
    return head + "".join(
        f"        intervals [{i}]:\n            xmin = {start:.6f} \n            xmax = {stop:.6f} \n"
        f'            text = "{_escape(text)}" \n'
        for i, (start, stop, text) in enumerate(intervals, 1)
    )


def tile(spans: Sequence[TimedText], end: float) -> Iterator[Interval]:
    """Yields intervals without gaps from 0 to `end`, one for each span and one for each pause.

    A span ends at the latest where the next begins; spans that begin together (a transducer can emit several tokens in
    one frame) share their time.
    """
    groups = [list(group) for _, group in itertools.groupby(spans, key=lambda span: round(span.start, 3))]
    at = 0.0
    for i, group in enumerate(groups):
        start = max(group[0].start, at)
        following = groups[i + 1][0].start if i + 1 < len(groups) else end
        stop = min(max(max(span.end for span in group), start + SHORTEST_SECONDS), max(following, start))
        if start > at:
            yield Interval(at, start, "")
        borders = [start + (stop - start) * k / len(group) for k in range(len(group))]
        for span, (begin, finish) in zip(group, itertools.pairwise([*borders, stop]), strict=True):
            yield Interval(begin, finish, span.text)
        at = stop
    if at < end or not groups:
        yield Interval(at, end, "")


def _escape(text: str) -> str:
    return text.replace('"', '""').replace("\n", " ")
