"""Spoken, the result of speaking one text, and how it is joined from the pieces that were spoken one by one."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.errors import AudioError
from jaxspeech.punctuation import ends_sentence
from jaxspeech.search.timestamps import TimedText
from jaxspeech.text.front_end import FrontEnd, Spelling


class Spoken(NamedTuple):
    """One spoken text; times are in seconds from the first sample.

    Attributes:
      source: the text's name: "text 0", "text 1", ..., a file's path, a manifest's line.
      text: as it was given.
      samples: [S], float32 in [-1, 1]; empty if there is an error, or if they are in the file `path`.
      sample_rate: in Hz.
      duration: in seconds.
      words: when each word of the normalised text ("twenty" and "one" for 21) is said; words that the voice cannot say
        are left out.
      segments: when each part is said that was spoken at once: a sentence, or a part of a long one.
      symbols: when each symbol of the model is said: letters or phonemes, spaces, punctuation.
      path: of the file that was written, if there is one.
      error: with `on_error="skip"`, one line that says why there is no result.
      note: one line about what was left out.
    """

    source: str
    text: str
    samples: Float[np.ndarray, " S"]
    sample_rate: int
    duration: float = 0.0
    words: tuple[TimedText, ...] = ()
    segments: tuple[TimedText, ...] = ()
    symbols: tuple[TimedText, ...] = ()
    path: Path | None = None
    error: str | None = None
    note: str | None = None


class SpokenPiece(NamedTuple):
    """A sentence, or a part of one, that was spoken at once.

    Attributes:
      text: as it was given.
      spelling: its symbols and words.
      durations: frames of each symbol.
      samples: of the audio.
    """

    text: str
    spelling: Spelling
    durations: Int[np.ndarray, " N"]
    samples: Float[np.ndarray, " S"]


def join_pieces(
    pieces: Sequence[SpokenPiece],
    *,
    source: str,
    text: str,
    sample_rate: int,
    hop: int,
    pause: float,
    front_end: FrontEnd,
) -> Spoken:
    """Joins the pieces of a text.

    Args:
      pieces: in order.
      source, text: of the result.
      sample_rate: in Hz.
      hop: samples of a frame.
      pause: seconds of silence after each sentence but the last.
      front_end: of the voice, for the names of symbols.

    Raises:
      AudioError: the model gave the text no time, or samples that are no numbers.
    """
    blocks: list[Float[np.ndarray, " S"]] = []
    words: list[TimedText] = []
    segments: list[TimedText] = []
    symbols: list[TimedText] = []
    place = 0
    for number, piece in enumerate(pieces):
        # Frame at which each symbol begins, and the end of the last.
        edges = (place + hop * np.concatenate([[0], np.cumsum(piece.durations)])) / sample_rate
        names = [front_end.tokenizer.pieces[i] for i in piece.spelling.ids]
        symbols += [TimedText(name, float(edges[i]), float(edges[i + 1]), 1.0) for i, name in enumerate(names)]
        words += [TimedText(word, float(edges[i]), float(edges[j]), 1.0) for word, i, j in piece.spelling.words]
        segments.append(TimedText(piece.text, float(edges[0]), float(edges[-1]), 1.0))
        silence = round(pause * sample_rate) if number + 1 < len(pieces) and ends_sentence(piece.text) else 0
        blocks += [piece.samples, np.zeros(silence, np.float32)]
        place += len(piece.samples) + silence
    samples = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    if not len(samples):
        raise AudioError(f"{source}: the model gave no symbol of it any time; was it trained?")
    if not np.isfinite(samples).all():
        raise AudioError(f"{source}: the model's samples are not finite; was it trained?")
    unknown = sorted(set(itertools.chain.from_iterable(piece.spelling.unknown for piece in pieces)))
    return Spoken(
        source,
        text,
        samples,
        sample_rate,
        len(samples) / sample_rate,
        tuple(words),
        tuple(segments),
        tuple(symbols),
        note=f"without {listed(unknown)}, which this voice has no symbol for" if unknown else None,
    )


def listed(symbols: Sequence[str]) -> str:
    """Names a few symbols in a message."""
    shown = ", ".join(repr(symbol) for symbol in symbols[:8])
    return f"{shown} and {len(symbols) - 8} more" if len(symbols) > 8 else shown
