"""Speaks texts: sentence by sentence, several in a batch, in order and in bounded memory.

texts -> pieces (a sentence, or a part of a long one) -> windows of pieces -> batches of similar length -> samples
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from jaxspeech.errors import ManifestError, SpeechError, as_speech_error
from jaxspeech.inference.batching import Shape, plan_batches
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.speak_programs import SYMBOLS, Manner, SpeakPrograms
from jaxspeech.inference.spoken import SpokenPiece, listed
from jaxspeech.inference.texts import text_of
from jaxspeech.punctuation import ends_clause
from jaxspeech.text.front_end import FrontEnd, Spelling
from jaxspeech.types import Variables

# A piece has at most this many symbols, some 15 s of speech: models learn from such sentences, and garble longer ones.
MOST_SYMBOLS = 240
# Characters that the first part of a sentence has at least.
SHORTEST_CLAUSE = 12
# Batches in a window, of which those of similar length are made.
WINDOW = 4


class Piece(NamedTuple):
    """A part of a text that is spoken at once.

    Attributes:
      number: of the text.
      recording: the text.
      manner: in which it is spoken.
      text: of the piece.
      spelling: its symbols; None with an error, then there is no other piece of this text.
      error: why the text cannot be spoken.
    """

    number: int
    recording: Recording
    manner: Manner
    text: str
    spelling: Spelling | None
    error: SpeechError | None = None


class Done(NamedTuple):
    """A piece with its sound, or with the error of its batch."""

    piece: Piece
    spoken: SpokenPiece | None
    error: SpeechError | None = None


def spelt_pieces(
    front_end: FrontEnd, recording: Recording, *, normalized: bool = False, first_short: bool = False
) -> list[tuple[str, Spelling]]:
    """Cuts a text into pieces that can be spoken at once, and spells them. Pieces without any word are left out.

    Args:
      front_end: of the voice.
      recording: the text.
      normalized: whether it is normalised already, whatever its fields say.
      first_short: whether the first sentence is cut at its first comma.

    Raises:
      SpeechError: there is no text, or nothing in it that the voice can say, in one line with its name.
    """
    text, stated = text_of(recording)
    try:
        sentences = front_end.sentences(text)
        if first_short and sentences:
            sentences = [*_first_clause(sentences[0]), *sentences[1:]]
        short = (_short(front_end, sentence, normalized=normalized or stated) for sentence in sentences)
        pieces = list(itertools.chain.from_iterable(short))
    except SpeechError as error:
        raise as_speech_error(error, recording.source) from error
    words = [(part, spelling) for part, spelling in pieces if spelling.words]
    if not words:
        unknown = sorted({symbol for _, spelling in pieces for symbol in spelling.unknown})
        why = f": it has no symbol for {listed(unknown)}" if unknown else ""
        raise ManifestError(f"{recording.source}: there is nothing in it that this voice can say{why}")
    # What was left out with a piece is still reported.
    lost = tuple(symbol for _, spelling in pieces if not spelling.words for symbol in spelling.unknown)
    first, spelling = words[0]
    return [(first, spelling._replace(unknown=spelling.unknown + lost)), *words[1:]]


def _first_clause(sentence: str) -> list[str]:
    """The sentence, cut at the first comma that enough is before, but not within a date ("May 5, 1999")."""
    for found in re.finditer(r"(?<=\D[^\w\s])\s+", sentence):
        if found.start() >= SHORTEST_CLAUSE and ends_clause(sentence[: found.start()]):
            return [sentence[: found.start()], sentence[found.end() :]]
    return [sentence]


def _short(front_end: FrontEnd, text: str, *, normalized: bool) -> Iterator[tuple[str, Spelling]]:
    """The piece, cut again if it has more symbols than characters: numbers are spoken in many words."""
    spelling = front_end.spell(text, normalized=normalized)
    parts = front_end.sentences(text, longest=max(1, len(text) * MOST_SYMBOLS // (2 * len(spelling.ids) + 1)))
    if len(spelling.ids) <= MOST_SYMBOLS or len(parts) < 2:
        yield text, spelling
        return
    for part in parts:
        yield from _short(front_end, part, normalized=normalized)


def windows(pieces: Iterable[Piece], *, batch_size: int, eager: bool) -> Iterator[list[Piece]]:
    """Takes pieces in order.

    Args:
      pieces: all.
      batch_size: maximum number of rows of a batch.
      eager: whether the first windows are small, so that the first results come soon.
    """
    sizes = itertools.chain([1, 4] if eager else [], itertools.repeat(WINDOW * batch_size))
    pieces = iter(pieces)
    while window := list(itertools.islice(pieces, next(sizes))):
        yield window


def speak_pieces(
    programs: SpeakPrograms,
    variables: Variables,
    pieces: Iterable[Piece],
    *,
    batch_size: int,
    eager: bool = False,
    denoise: float = 0.0,
) -> Iterator[Done]:
    """Speaks pieces, in order. What is raised for a batch is the error of its pieces.

    Args:
      programs, variables: of the voice.
      pieces: to speak; those with an error are passed through.
      batch_size, eager: see `windows`.
      denoise: see `inference.vocoding`.
    """
    for window in windows(pieces, batch_size=batch_size, eager=eager):
        lengths = {i: len(piece.spelling.ids) for i, piece in enumerate(window) if piece.spelling is not None}
        found: dict[int, SpokenPiece | SpeechError] = {}
        for shape in plan_batches(lengths, batch_size=batch_size, sample_rate=SYMBOLS):
            batch = [window[i] for i in shape.indices]
            try:
                made: Any = _speak(programs, variables, batch, shape, denoise=denoise)
            except Exception as error:
                made = [as_speech_error(error, piece.recording.source) for piece in batch]
            found |= zip(shape.indices, made, strict=True)
        for i, piece in enumerate(window):
            one = found.get(i, piece.error)
            yield Done(piece, one, None) if isinstance(one, SpokenPiece) else Done(piece, None, one)


def _speak(
    programs: SpeakPrograms, variables: Variables, batch: Sequence[Piece], shape: Shape, *, denoise: float
) -> list[SpokenPiece]:
    spellings = [piece.spelling for piece in batch if piece.spelling is not None]
    ids, manners = [spelling.ids for spelling in spellings], [piece.manner for piece in batch]
    timing, durations = programs.durations(variables, ids, manners, rows=shape.rows, size=shape.length)
    num_frames = durations.sum(1)
    mel = programs.frames(variables, timing, num_frames)
    sounds = programs.vocoder.rows(variables, mel, num_frames, wanted=len(batch), denoise=denoise)
    return [
        SpokenPiece(piece.text, spelling, own[: len(spelling.ids)], samples)
        for piece, spelling, own, samples in zip(batch, spellings, durations[: len(batch)], sounds, strict=True)
    ]
