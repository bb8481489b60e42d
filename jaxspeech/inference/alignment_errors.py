"""Measures how far the times of an alignment are from reference times."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.text.words import words as words_of

CLOSE_SECONDS = 0.2


def start_errors(hypothesis: Hypothesis, segments: Any) -> list[float]:
    """Seconds from each reference segment's start to its first word's; empty where the texts differ.

    Args:
      hypothesis: the alignment of the whole text, with words.
      segments: the manifest field "segments": {"start", "text", ...} for each segment, in order.
    """
    if not isinstance(segments, Sequence) or not all(
        isinstance(segment, Mapping)
        and isinstance(segment.get("text"), str)
        and isinstance(segment.get("start"), int | float)
        for segment in segments
    ):
        return []  # a field of the same name with other contents
    words = [word for segment in segments for word in words_of(segment["text"])]
    if hypothesis.words is None or [word for span in hypothesis.words for word in words_of(span.text)] != words:
        return []
    # One word of the hypothesis may hold several words of the text: a dash stays with the word before it.
    places = accumulate((len(list(words_of(span.text))) for span in hypothesis.words), initial=0)
    starts = {place: span.start for place, span in zip(places, hypothesis.words, strict=False)}
    firsts = accumulate((len(list(words_of(segment["text"]))) for segment in segments), initial=0)
    given = {first: float(segment["start"]) for first, segment in zip(firsts, segments, strict=False)}
    return [starts[first] - start for first, start in given.items() if first in starts]


def summary(errors: Sequence[float]) -> str:
    """One line: median, 90th percentile, and the share within `CLOSE_SECONDS`."""
    distances = np.abs(errors)
    return (
        f"segment starts are {np.median(distances):.2f} s (median) and {np.quantile(distances, 0.9):.2f} s (90%) from "
        f"{len(errors)} reference starts, {np.mean(distances <= CLOSE_SECONDS):.0%} within {CLOSE_SECONDS:g} s, "
        f"median difference {np.median(errors):+.2f} s"
    )
