"""Frames to seconds: when each token, word and segment of one utterance was spoken. Host side, plain data."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from jaxspeech.search.confidence import Aggregation, aggregate

# A closing quote or bracket may stand behind the mark that ends a sentence.
CLOSING = "\"')]}»”’"


# A silence after which another sentence begins, be there a full stop or not: many models write none.
PAUSE_SECONDS = 1.0


class TimedText(NamedTuple):
    """A stretch of text with its start and end in seconds, and how sure the model was of it, 0 to 1."""

    text: str
    start: float
    end: float
    confidence: float


def token_times(
    pieces: Iterable[str], starts: Any, ends: Any, confidence: Any, *, frame_seconds: float, offset: float = 0.0
) -> list[TimedText]:
    """One entry for each token (a character, or a piece of a word): what the peer calls `char`.

    Args:
      pieces: the text of each token.
      starts, ends: first frame of each token, and the frame behind its last; as many as pieces or more.
      confidence: of each token.
      frame_seconds: seconds of audio for one frame.
      offset: of the first frame, in seconds.
    """
    return [
        TimedText(piece, offset + float(start) * frame_seconds, offset + float(end) * frame_seconds, float(sure))
        for piece, start, end, sure in zip(pieces, starts, ends, confidence, strict=False)
    ]


def word_times(
    spans: Iterable[tuple[str, int, int]],
    starts: Any,
    ends: Any,
    confidence: Any,
    *,
    frame_seconds: float,
    offset: float = 0.0,
    how: Aggregation = "min",
) -> list[TimedText]:
    """One entry for each of a tokenizer's word spans (word, first token, behind the last token)."""
    spans = list(spans)
    sure = aggregate(confidence, [(first, behind) for _, first, behind in spans], how=how)
    return [
        TimedText(
            word, offset + float(starts[first]) * frame_seconds, offset + float(ends[behind - 1]) * frame_seconds, value
        )
        for (word, first, behind), value in zip(spans, sure, strict=True)
    ]


def sentences(
    words: Sequence[TimedText], *, punctuation: str = ".?!", max_gap_seconds: float | None = PAUSE_SECONDS
) -> list[list[TimedText]]:
    """Words up to one that ends with `punctuation`, or that a silence over `max_gap_seconds` follows."""
    found: list[list[TimedText]] = []
    unfinished = False
    for word in words:
        gap = word.start - found[-1][-1].end if found else 0.0
        if not unfinished or (max_gap_seconds is not None and gap > max_gap_seconds):
            found.append([])
        found[-1].append(word)
        unfinished = not word.text.rstrip(CLOSING).endswith(tuple(punctuation))
    return found


def segment_times(
    words: Sequence[TimedText], *, punctuation: str = ".?!", max_gap_seconds: float | None = PAUSE_SECONDS
) -> list[TimedText]:
    """The sentences, each as one stretch of text."""
    return [merge(part) for part in sentences(words, punctuation=punctuation, max_gap_seconds=max_gap_seconds)]


def merge(words: Sequence[TimedText]) -> TimedText:
    """Words as one stretch of text, as sure as they are on average."""
    text = " ".join(word.text for word in words)
    return TimedText(text, words[0].start, words[-1].end, sum(word.confidence for word in words) / len(words))
