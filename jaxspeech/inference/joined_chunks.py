"""Joins the texts of the chunks of a recording, some of which overlap (`text.seam`)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.chunks import Chunk
from jaxspeech.audio.voice_activity import Span
from jaxspeech.inference.part_tokens import has_times, join_tokens, log_probability, taken
from jaxspeech.search.tokens import Tokens
from jaxspeech.text.seam import Part, find_seam
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.text.words import token_words

# Words this far from an overlap may still be in it: where times are exact, and where they are estimated.
EXACT_SECONDS, ESTIMATED_SECONDS = 1.0, 4.0
# How much less alike two words are with each second between them.
EXACT_PER_SECOND, ESTIMATED_PER_SECOND = 2.0, 0.4


class Heard(NamedTuple):
    """What was recognised in a chunk.

    Attributes:
      chunk: where it is.
      tokens: its text.
      words: of the text.
      places: the first token of each word, and the token after its last one.
      times: the middle of each word, in seconds from the beginning of the recording.
      exact: whether the times are those of the tokens; else they are estimated.
    """

    chunk: Chunk
    tokens: Tokens
    words: list[str]
    places: list[tuple[int, int]]
    times: Float[np.ndarray, " N"]
    exact: bool

    def taken(self, begin: int, end: int) -> Tokens:
        """Returns the tokens of some words; those of all words are all tokens."""
        if begin >= end:
            return taken(self.tokens, slice(0, 0))
        first = 0 if begin == 0 else self.places[begin][0]
        stop = len(self.tokens.ids) if end == len(self.words) else self.places[end - 1][1]
        return taken(self.tokens, slice(first, stop))


def hear(chunk: Chunk, tokens: Tokens, spoken: Sequence[Span], tokenizer: Tokenizer, frame_seconds: float) -> Heard:
    """Finds the words of a chunk; those that share a token count as one.

    Args:
      chunk: where it is.
      tokens: its text.
      spoken: where somebody speaks in it, in seconds from the beginning of the recording.
      tokenizer: of the tokens.
      frame_seconds: of the tokens' times.
    """
    words: list[str] = []
    places: list[tuple[int, int]] = []
    for word, first, stop in token_words(tokenizer, tokens.ids.tolist()):
        if places and first < places[-1][1]:
            words[-1] += word
            places[-1] = places[-1][0], int(np.ceil(stop))
        else:
            words.append(word)
            places.append((int(first), int(np.ceil(stop))))
    exact = has_times(tokens.starts, tokens.ends)
    if exact:
        frames = [(tokens.starts[first] + tokens.ends[stop - 1]) / 2 for first, stop in places]
        times = np.maximum.accumulate(np.array(frames, float)) * frame_seconds
    else:
        times = _estimated(words, spoken)
    return Heard(chunk, tokens, words, places, times, exact)


def join_chunks(heard: Sequence[Heard], tokenizer: Tokenizer, sample_rate: int) -> tuple[Tokens, list[float]]:
    """Joins the tokens of all chunks to a batch of one; also returns the seconds where two share no word."""
    pieces: list[Tokens] = []
    unlike: list[float] = []
    begin = 0  # the first word of a chunk that no seam has decided about
    for place, left in enumerate(heard):
        if place + 1 == len(heard) or heard[place + 1].chunk.start >= left.chunk.end:
            pieces.append(left.taken(begin, len(left.words)))
            begin = 0
            continue
        right = heard[place + 1]
        exact = left.exact and right.exact
        slack = EXACT_SECONDS if exact else ESTIMATED_SECONDS
        first = max(int(np.searchsorted(left.times, right.chunk.start / sample_rate - slack)), begin)
        stop = int(np.searchsorted(right.times, left.chunk.end / sample_rate + slack))
        seam = find_seam(
            Part(left.words[first:], left.times[first:]),
            Part(right.words[:stop], right.times[:stop]),
            per_second=EXACT_PER_SECOND if exact else ESTIMATED_PER_SECOND,
        )
        pieces.append(left.taken(begin, first + seam.left))
        for side, word in seam.kept:
            pieces.append(right.taken(word, word + 1) if side else left.taken(first + word, first + word + 1))
        if not seam.found and left.words[first:] and right.words[:stop]:
            unlike.append((right.chunk.start + left.chunk.end) / 2 / sample_rate)
        begin = seam.right
    joined = join_tokens(pieces, tokenizer)
    # What is left of each chunk's score is that of the end of its text.
    ends = sum(float(part.tokens.score - log_probability(part.tokens.confidence)) for part in heard)
    return joined._replace(score=joined.score + np.float32(ends)), unlike


def _estimated(words: Sequence[str], spoken: Sequence[Span]) -> Float[np.ndarray, " N"]:
    """When each word was said, if all letters take the same time, and only while somebody speaks."""
    lengths = np.array([len(word) + 1 for word in words], float)
    middles = (np.cumsum(lengths) - lengths / 2) / max(lengths.sum(), 1)
    spans = np.array(spoken, float)
    until = np.cumsum(spans[:, 1] - spans[:, 0])
    at = middles * until[-1]
    span = np.minimum(np.searchsorted(until, at), len(until) - 1)
    return spans[span, 1] - (until[span] - at)
