"""Speaks live: the samples of each part of a sentence as soon as they are computed.

The durations and mel frames of a sentence are computed at once, the samples part by part, if the vocoder can.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Float

from jaxspeech.inference.batching import padded_length
from jaxspeech.inference.speak_programs import SYMBOLS, SpeakPrograms
from jaxspeech.inference.speaking import Piece
from jaxspeech.punctuation import ends_sentence
from jaxspeech.types import Variables


def stream_pieces(
    programs: SpeakPrograms,
    variables: Variables,
    pieces: Iterable[Piece],
    *,
    pause: float,
    denoise: float = 0.0,
) -> Iterator[Float[np.ndarray, " S"]]:
    """Yields the samples of pieces, in order.

    Args:
      programs, variables: of the voice.
      pieces: to speak.
      pause: seconds of silence between a sentence and what follows.
      denoise: see `inference.vocoding`.

    Raises:
      SpeechError: that of the first piece that cannot be spoken.
    """
    before, vocoder = "", programs.vocoder
    for piece in pieces:
        if piece.spelling is None:
            raise piece.error or ValueError("a piece has neither a spelling nor an error")
        if ends_sentence(before) and pause:
            yield np.zeros(round(pause * vocoder.kind.sample_rate), np.float32)
        before = piece.text
        size = padded_length(len(piece.spelling.ids), sample_rate=SYMBOLS)
        timing, durations = programs.durations(variables, [piece.spelling.ids], [piece.manner], rows=1, size=size)
        num_frames = durations.sum(1)
        mel = programs.frames(variables, timing, num_frames)
        if vocoder.kind.incremental is None:
            yield from vocoder.rows(variables, mel, num_frames, denoise=denoise)
        else:
            yield from vocoder.in_parts(variables, np.asarray(mel)[0, : int(num_frames[0])], denoise=denoise)
