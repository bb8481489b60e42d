"""Transcribes a long recording in chunks of 30 to 40 s, and joins their words.

Attention decoders are trained on recordings of this length; they lose the place in longer ones. The chunks cover the
whole recording. Two that meet in a silence are written one after the other; two that overlap are joined on the words,
or times, that both have (`text.seam`).
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from jaxspeech.audio.chunks import INAUDIBLE_DB, LONGEST_SECONDS, Chunk, cut_into_chunks, loudest
from jaxspeech.audio.voice_activity import Span, VoiceActivity
from jaxspeech.inference.batching import plan_batches
from jaxspeech.inference.part_tokens import has_times, join_tokens, log_probability, row_of, taken
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.kinds import Recognition
from jaxspeech.tasks.prediction import Outputs, Prediction
from jaxspeech.text.seam import Part, find_seam
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.text.words import token_words
from jaxspeech.types import Variables

# Words this far from an overlap may still be in it: where times are exact, and where they are estimated.
EXACT_SECONDS, ESTIMATED_SECONDS = 1.0, 4.0
# How much less alike two words are with each second between them.
EXACT_PER_SECOND, ESTIMATED_PER_SECOND = 2.0, 0.4


class Words(NamedTuple):
    """The words of a chunk.

    Attributes:
      words: in order.
      tokens: the first token of each, and the token after the last one.
      times: the middle of each, in seconds from the beginning of the recording, in order.
    """

    words: list[str]
    tokens: list[tuple[int, int]]
    times: np.ndarray


class Chunked:
    """Predicts chunks with one model.

    Args:
      recognition: the model.
      tokenizer: the model's tokenizer; if it has a space, that separates the chunks' texts.
      start: `Programs.start` of `tasks.prediction.predict`.
    """

    def __init__(self, recognition: Recognition, tokenizer: Tokenizer, start: Callable[..., Any]):
        self._recognition, self._tokenizer, self._start = recognition, tokenizer, start

    def predict(
        self,
        variables: Variables,
        samples: Float[np.ndarray, " S"],
        voice_activity: VoiceActivity,
        *,
        batch_size: int,
    ) -> tuple[Prediction, str]:
        """Predicts one recording (a batch of one), with frames counted from its start; also says how, for the note.

        Raises:
          AudioError: a batch of chunks does not fit in memory.
        """
        rate = self._recognition.sample_rate
        frame = round(self._recognition.frame_seconds * rate)
        speech = voice_activity(samples, rate)
        chunks = cut_into_chunks(samples, rate, speech, frame=frame)
        audio = {i: samples[a:b] for i, (a, b) in enumerate(chunks)}
        spoken = [_clip(speech, chunk, rate) for chunk in chunks]
        # A chunk is left out if it is silent for the detector and for anybody: such models invent words in silence.
        heard = {i: len(part) for i, part in audio.items() if spoken[i] or loudest(part, rate) > INAUDIBLE_DB}
        found: dict[int, Tokens] = {}
        alike = dict.fromkeys(heard, max(heard.values(), default=0))  # one shape for all of them
        for shape in plan_batches(alike, batch_size=batch_size, sample_rate=rate):
            prediction, _ = self._start(variables, shape, audio, **Outputs()._asdict())
            tokens = jax.device_get(prediction.tokens)
            for row, i in enumerate(shape.indices):
                found[i] = row_of(tokens, row, chunks[i].start // frame)
        numbers = sorted(found)
        parts = [found[i] for i in numbers]
        # Where the detector finds nothing, anywhere in the chunk may be speech.
        where = [spoken[i] or [(chunks[i].start / rate, chunks[i].end / rate)] for i in numbers]
        joined, unlike = self._join([chunks[i] for i in numbers], where, parts)
        overlapping = sum(after.start < before.end for before, after in itertools.pairwise(chunks))
        return Prediction(joined), _how(len(chunks), overlapping, unlike)

    def _join(
        self, chunks: Sequence[Chunk], spoken: Sequence[Sequence[Span]], parts: Sequence[Tokens]
    ) -> tuple[Tokens, list[float]]:
        """Joins the tokens of all chunks to a batch of one; also returns the seconds where two share no word."""
        rate, texts = self._recognition.sample_rate, [self._words(*part) for part in zip(parts, spoken, strict=True)]
        pieces: list[Tokens] = []
        unlike: list[float] = []
        begin = 0  # the first word of a chunk that no seam has decided about
        for k, (part, text) in enumerate(zip(parts, texts, strict=True)):
            if k + 1 == len(parts) or chunks[k + 1].start >= chunks[k].end:
                pieces.append(_words_of(part, text, begin, len(text.words)))
                begin = 0
                continue
            exact = _timed(part) and _timed(parts[k + 1])
            slack = EXACT_SECONDS if exact else ESTIMATED_SECONDS
            first = int(np.searchsorted(text.times, chunks[k + 1].start / rate - slack))
            first, other = max(first, begin), texts[k + 1]
            stop = int(np.searchsorted(other.times, chunks[k].end / rate + slack))
            seam = find_seam(
                Part(text.words[first:], text.times[first:]),
                Part(other.words[:stop], other.times[:stop]),
                per_second=EXACT_PER_SECOND if exact else ESTIMATED_PER_SECOND,
            )
            pieces.append(_words_of(part, text, begin, first + seam.left))
            for side, word in seam.kept:
                of = k + side
                number = word if side else first + word
                pieces.append(_words_of(parts[of], texts[of], number, number + 1))
            if not seam.found and text.words[first:] and other.words[:stop]:
                unlike.append((chunks[k + 1].start + chunks[k].end) / 2 / rate)
            begin = seam.right
        joined = join_tokens(pieces, self._tokenizer)
        # What is left of each chunk's score is that of the end of its text.
        ends = sum(float(part.score - log_probability(part.confidence)) for part in parts)
        return joined._replace(score=joined.score + np.float32(ends)), unlike

    def _words(self, part: Tokens, spoken: Sequence[Span]) -> Words:
        """The words of a chunk; those that share a token count as one."""
        words: list[str] = []
        tokens: list[tuple[int, int]] = []
        for word, first, stop in token_words(self._tokenizer, part.ids.tolist()):
            if tokens and first < tokens[-1][1]:
                words[-1] += word
                tokens[-1] = tokens[-1][0], int(np.ceil(stop))
            else:
                words.append(word)
                tokens.append((int(first), int(np.ceil(stop))))
        if _timed(part):
            frames = [(part.starts[first] + part.ends[stop - 1]) / 2 for first, stop in tokens]
            return Words(words, tokens, np.array(frames) * self._recognition.frame_seconds)
        return Words(words, tokens, _estimated(words, spoken))


def _estimated(words: Sequence[str], spoken: Sequence[Span]) -> Float[np.ndarray, " N"]:
    """When each word was said, if all letters take the same time, and only while somebody speaks."""
    lengths = np.array([len(word) + 1 for word in words], float)
    middles = (np.cumsum(lengths) - lengths / 2) / max(lengths.sum(), 1)
    spans = np.array(spoken, float)
    until = np.cumsum(spans[:, 1] - spans[:, 0])
    at = middles * until[-1]
    span = np.minimum(np.searchsorted(until, at), len(until) - 1)
    return spans[span, 1] - (until[span] - at)


def _clip(speech: Sequence[Span], chunk: Chunk, rate: int) -> list[Span]:
    """The speech within a chunk."""
    begin, end = chunk.start / rate, chunk.end / rate
    return [(max(a, begin), min(b, end)) for a, b in speech if a < end and b > begin]


def _timed(part: Tokens) -> bool:
    return has_times(part.starts, part.ends)


def _words_of(part: Tokens, text: Words, begin: int, end: int) -> Tokens:
    """The tokens of some words of a chunk; those of all words are all of its tokens."""
    if begin >= end:
        return taken(part, slice(0, 0))
    first = 0 if begin == 0 else text.tokens[begin][0]
    stop = len(part.ids) if end == len(text.words) else text.tokens[end - 1][1]
    return taken(part, slice(first, stop))


def _how(chunks: int, overlapping: int, unlike: Sequence[float]) -> str:
    how = f"in {chunks} chunks of at most {LONGEST_SECONDS:.0f} s"
    if overlapping:
        how += f", {overlapping} of {chunks - 1} cuts within speech"
    if unlike:
        places = ", ".join(f"{seconds:.0f} s" for seconds in unlike)
        how += f", without a common word at {places}, where words may be written twice"
    return how
