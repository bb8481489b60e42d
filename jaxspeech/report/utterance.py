"""An evaluated utterance: what was said, what was heard, and what the page shows of it."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.text.error_rate import ErrorCounts, word_errors


class Piece(NamedTuple):
    """A token of what was heard, in seconds of the recording."""

    text: str
    start: float
    end: float


class Utterance(NamedTuple):
    """One utterance of an evaluation set.

    Attributes:
      name: its file.
      speaker: "" where the manifest does not say.
      seconds: length.
      said, heard: the transcript, and the model's.
      errors: words that differ.
    """

    name: str
    speaker: str
    seconds: float
    said: str
    heard: str
    errors: ErrorCounts


class ReplayedAudio(NamedTuple):
    """What there is to hear and to see of an utterance.

    Attributes:
      samples: waveform in [-1, 1].
      sample_rate: in Hz.
      features: log-mel energies as the encoder takes them.
      pieces: the greedy alignment of what was heard.
    """

    samples: Float[np.ndarray, " S"]
    sample_rate: int
    features: Float[np.ndarray, "T F"]
    pieces: tuple[Piece, ...]


def scored(*, name: str, speaker: str, seconds: float, said: str, heard: str) -> Utterance:
    """An utterance with its errors counted."""
    return Utterance(name, speaker, seconds, said, heard, word_errors([said], [heard]))


def worst(utterances: list[Utterance], count: int) -> list[Utterance]:
    """Those with the most wrong words; of equally many, the shortest transcripts first. None without an error."""
    wrong = [utterance for utterance in utterances if utterance.errors.errors]
    return sorted(wrong, key=lambda u: (-u.errors.errors, u.errors.length))[:count]
