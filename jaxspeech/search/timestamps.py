"""Converts frames to seconds: the times of each token, word and segment of one utterance, on the host."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Num

from jaxspeech.punctuation import SENTENCE_ENDS, ends_sentence
from jaxspeech.search.confidence import Aggregation, aggregate
from jaxspeech.spacing import join

# A silence that ends a sentence even without punctuation, which many models do not write.
PAUSE_SECONDS = 1.0


# Marks that are not spoken, which a CTC model may emit long after the word before them.
MARKS = {",", ".", "!", "?"}


class TimedText(NamedTuple):
    """A piece of text with its start and end in seconds.

    Attributes:
      text: a word, a sentence, a token.
      start, end: in seconds.
      confidence: the model's, 0 to 1.
      speaker: who says it; None if that was not asked for, or if nobody is known to speak there.
      language: of a model whose tokenizer has several (`text.aggregate`); None for all others.
    """

    text: str
    start: float
    end: float
    confidence: float
    speaker: str | None = None
    language: str | None = None


def token_times(
    pieces: Iterable[str], starts: Any, ends: Any, confidence: Any, *, frame_seconds: float, offset: float = 0.0
) -> list[TimedText]:
    """Returns the times of each token (a character, or a piece of a word); NeMo calls them `char`.

    Args:
      pieces: the text of each token.
      starts, ends: first frame of each token, and the frame after its last; at least as many as pieces.
      confidence: confidence of each token.
      frame_seconds: seconds of audio per frame.
      offset: time of the first frame, in seconds.
    """
    return [
        TimedText(piece, offset + float(start) * frame_seconds, offset + float(end) * frame_seconds, float(sure))
        for piece, start, end, sure in zip(pieces, starts, ends, confidence, strict=False)
    ]


def pinned(
    pieces: Sequence[str], starts: Num[Any, " N"], ends: Num[Any, " N"]
) -> tuple[Num[np.ndarray, " U"], Num[np.ndarray, " U"]]:
    """Returns the frames of tokens with those of punctuation marks at the end of the token before them.

    A mark without a token before it in its word takes no time at its own start.

    Args:
      pieces: the text of each of the U tokens.
      starts, ends: first frame of each token, and the frame after its last; N is at least U.
    """
    starts, ends = np.array(starts[: len(pieces)]), np.array(ends[: len(pieces)])
    for i, piece in enumerate(pieces):
        if piece in MARKS:
            inside = i > 0 and not pieces[i - 1].isspace()
            starts[i] = ends[i] = ends[i - 1] if inside else starts[i]
    return starts, ends


def word_times(
    spans: Iterable[tuple[str, int | float, int | float]],
    starts: Any,
    ends: Any,
    confidence: Any,
    *,
    frame_seconds: float,
    offset: float = 0.0,
    how: Aggregation = "min",
) -> list[TimedText]:
    """Returns the times of each of the spans of words (word, first token, token after the last).

    Several words in one token (scripts without spaces) have fractions for places, and share its time.
    """
    found, tokens = list(spans), []
    for _, first, stop in found:
        last = max(math.ceil(stop) - 1, 0)
        tokens.append((min(math.floor(first), last), last))
    sure = aggregate(confidence, [(begin, last + 1) for begin, last in tokens], how=how)

    def seconds(token: int, share: int | float) -> float:
        """The time at which this share of a token has passed."""
        start, end = float(starts[token]), float(ends[token])
        frame = end if share >= 1 else start + (end - start) * share if share > 0 else start
        return offset + frame * frame_seconds

    return [
        TimedText(word, seconds(begin, first - begin), seconds(last, stop - last), value)
        for (word, first, stop), (begin, last), value in zip(found, tokens, sure, strict=True)
    ]


def sentences(
    words: Sequence[TimedText], *, punctuation: str = SENTENCE_ENDS, max_gap_seconds: float | None = PAUSE_SECONDS
) -> list[list[TimedText]]:
    """Splits words into sentences, after `punctuation` and at silences longer than `max_gap_seconds`."""
    found: list[list[TimedText]] = []
    unfinished = False
    for word in words:
        gap = word.start - found[-1][-1].end if found else 0.0
        if not unfinished or (max_gap_seconds is not None and gap > max_gap_seconds):
            found.append([])
        found[-1].append(word)
        unfinished = not ends_sentence(word.text, punctuation)
    return found


def segment_times(
    words: Sequence[TimedText], *, punctuation: str = SENTENCE_ENDS, max_gap_seconds: float | None = PAUSE_SECONDS
) -> list[TimedText]:
    """Returns the sentences, each merged to one piece of text."""
    return [merge(part) for part in sentences(words, punctuation=punctuation, max_gap_seconds=max_gap_seconds)]


def merge(words: Sequence[TimedText]) -> TimedText:
    """Merges words to one piece of text, with their mean confidence and the language of most of them."""
    text = join(word.text for word in words)
    languages = Counter(word.language for word in words if word.language is not None).most_common(1)
    language = languages[0][0] if languages else None
    sure = sum(word.confidence for word in words) / len(words)
    return TimedText(text, words[0].start, words[-1].end, sure, language=language)
