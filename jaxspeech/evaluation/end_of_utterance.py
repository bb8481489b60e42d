"""How well the ends of utterances are found: latency, early cut-offs, and ends that are missed.

Found and true utterances are matched in order of time. An end within its utterance cuts it off; the first one after it
is its own, and late by the latency. An utterance that is neither ended nor cut off is missed.

Source: NeMo's `evaluate_eou` (asr/parts/utils/eou_utils.py), whose counts these are.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxspeech.errors import ManifestError
from jaxspeech.text.utterance_marks import MARKS

PERCENTILES = (50, 90, 95)
STARTS, ENDS = "sou_time", "eou_time"
# Start and end of an utterance, in seconds.
Span = tuple[float, float]


class EndCounts(NamedTuple):
    """The ends of one recording, or of many.

    Attributes:
      latency: seconds from the end of an utterance until it was found, for each that was found.
      early: seconds by which each early end precedes the true one.
      missing: utterances without an end.
      false_alarms: ends of no utterance, early ones included.
      utterances: the true ones.
    """

    latency: tuple[float, ...] = ()
    early: tuple[float, ...] = ()
    missing: int = 0
    false_alarms: int = 0
    utterances: int = 0

    def __add__(self, other: Any) -> "EndCounts":
        return EndCounts(*(a + b for a, b in zip(self, other, strict=True)))

    def scores(self) -> dict[str, float]:
        """The scores by name; latency in seconds at the percentiles, early cut-offs and missed ones per utterance."""
        found = {f"eou_latency_p{p}": float(np.percentile(self.latency, p)) for p in PERCENTILES if self.latency}
        count = max(self.utterances, 1)
        return found | {"eou_early_cutoff": len(self.early) / count, "eou_missing": self.missing / count}


def compare_ends(found: Iterable[Span], true: Iterable[Span], *, collar: float = 0.0) -> EndCounts:
    """Compares the utterances that were found in a recording with the true ones.

    Args:
      found: start of each, and when its end was known.
      true: start and end of each.
      collar: seconds before and after the true end that count as right.
    """
    references, at = sorted(true), 0
    latency: list[float] = []
    early: list[float] = []
    cut, false = set[int](), 0
    for start, end in sorted(found):
        while at < len(references) and references[at][1] < start:
            at += 1
        if at == len(references):
            false += 1
            continue
        first, last = references[at]
        if abs(end - last) <= collar or end > last + collar:
            latency.append(end - last)
            cut.discard(at)
            at += 1
        else:
            false += 1
            if first <= end:
                early.append(last - end)
                cut.add(at)
    missing = len(references) - at - len(cut)
    return EndCounts(tuple(latency), tuple(early), missing, false, len(references))


def counts_of(fields: Mapping[str, Any], hypothesis: Any) -> EndCounts:
    """Compares a live transcript with the line of its recording.

    Args:
      fields: of the line; its times count from the start of the stream.
      hypothesis: with `duration`, and with `utterances` that have `start`, `decided` and `by`. One that only the end of
        the stream ended is no end that was found.
    """
    found = [(one.start, one.decided) for one in hypothesis.utterances if one.by != "stream"]
    return compare_ends(found, true_utterances(fields, seconds=hypothesis.duration))


def counts_of_marks(fields: Mapping[str, Any], hypothesis: Any) -> EndCounts:
    """Compares the marks in the transcript of a whole recording with the line of the recording.

    Args:
      fields: of the line; its times count from the start of the file, as those of the transcript.
      hypothesis: with `duration` and timestamps, its `chars` with the marks.
    """
    found: list[Span] = []
    start: float | None = None
    for token in hypothesis.chars or ():
        if start is None:
            start = float(token.start)
        if token.text in MARKS:
            found.append((start, float(token.end)))
            start = None
    return compare_ends(found, true_utterances(fields, seconds=hypothesis.duration))


def true_utterances(fields: Mapping[str, Any], *, seconds: float) -> list[Span]:
    """Returns the utterances of a manifest's line: `sou_time` and `eou_time`, lists or numbers; all of it without them.

    Raises:
      ManifestError: there are not as many ends as starts.
    """
    if fields.get(STARTS) is None or fields.get(ENDS) is None:
        return [(0.0, seconds)]
    starts, ends = (_listed(fields[name]) for name in (STARTS, ENDS))
    if len(starts) != len(ends):
        raise ManifestError(f"{len(starts)} values of {STARTS}, and {len(ends)} of {ENDS}")
    return [(float(s), float(e)) for s, e in zip(starts, ends, strict=True) if _is_time(s) and _is_time(e)]


def _listed(values: Any) -> Sequence[Any]:
    return values if isinstance(values, list) else [values]


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
