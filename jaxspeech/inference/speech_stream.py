"""Speaks live: the samples of each part of a sentence as soon as they are computed.

The durations and mel frames of a sentence are computed at once, the samples part by part, if the vocoder can.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.inference.batching import padded_length
from jaxspeech.inference.speak_programs import SYMBOLS, SpeakPrograms
from jaxspeech.inference.speaking import Piece
from jaxspeech.punctuation import ends_sentence
from jaxspeech.tasks.kinds import IncrementalVocoding, Vocoding
from jaxspeech.types import Variables

# Frames of a part: a third of a second at the usual rate.
PART = 32


def stream_pieces(
    programs: SpeakPrograms, variables: Variables, pieces: Iterable[Piece], *, vocoding: Vocoding, pause: float
) -> Iterator[Float[np.ndarray, " S"]]:
    """Yields the samples of pieces, in order.

    Args:
      programs, variables: of the voice.
      pieces: to speak.
      vocoding: of the voice.
      pause: seconds of silence between a sentence and what follows.

    Raises:
      SpeechError: that of the first piece that cannot be spoken.
    """
    before = ""
    for piece in pieces:
        if piece.spelling is None:
            raise piece.error or ValueError("a piece has neither a spelling nor an error")
        if ends_sentence(before) and pause:
            yield np.zeros(round(pause * vocoding.sample_rate), np.float32)
        before = piece.text
        size = padded_length(len(piece.spelling.ids), sample_rate=SYMBOLS)
        timing, durations = programs.durations(variables, [piece.spelling.ids], [piece.manner], rows=1, size=size)
        num_frames = durations.sum(1)
        mel = programs.frames(variables, timing, num_frames)
        if vocoding.incremental is None:
            samples = np.asarray(programs.vocode(variables, mel, num_frames), np.float32)
            yield samples[0, : int(num_frames[0]) * vocoding.hop]
        else:
            frames = np.asarray(mel)[:, : int(num_frames[0])]
            yield from _in_parts(programs, variables, frames, vocoding.incremental, hop=vocoding.hop)


def _in_parts(
    programs: SpeakPrograms,
    variables: Variables,
    mel: Float[np.ndarray, "1 T F"],
    parts: IncrementalVocoding,
    *,
    hop: int,
) -> Iterator[Float[np.ndarray, " S"]]:
    num_frames, state = mel.shape[1], programs.start(variables)
    late: Any = parts.delay * hop  # samples still to be dropped
    for start in range(0, num_frames + parts.delay, PART):
        part = np.zeros((1, PART, mel.shape[2]), mel.dtype)
        real = mel[:, start : start + PART]
        part[:, : real.shape[1]] = real
        left = np.array([max(0, num_frames - start)], np.int32)
        made, state = programs.step(variables, part, left, state)
        end = num_frames * hop - (start - parts.delay) * hop
        samples = np.asarray(made, np.float32)[0, late:end]
        late = max(0, late - PART * hop)
        if len(samples):
            yield samples
