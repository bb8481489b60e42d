"""An evaluated utterance: its reference, the model's transcript, and what the page shows of it."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.text.error_rate import ErrorCounts, word_errors


class Piece(NamedTuple):
    """A recognised token; start and end in seconds of the recording."""

    text: str
    start: float
    end: float


class Utterance(NamedTuple):
    """One utterance of an evaluation set.

    Attributes:
      name: its file.
      speaker: "" if the manifest does not name one.
      seconds: length.
      said, heard: the reference transcript, and the model's.
      errors: words that differ.
      language: "" if the manifest does not name one, "several" if its words are in different ones.
    """

    name: str
    speaker: str
    seconds: float
    said: str
    heard: str
    errors: ErrorCounts
    language: str = ""


class ReplayedAudio(NamedTuple):
    """The audio, features and recognised tokens of an utterance.

    Attributes:
      samples: waveform in [-1, 1].
      sample_rate: in Hz.
      features: log-mel energies as the encoder takes them.
      pieces: the tokens of the greedy search, with their times.
    """

    samples: Float[np.ndarray, " S"]
    sample_rate: int
    features: Float[np.ndarray, "T F"]
    pieces: tuple[Piece, ...]


def scored(*, name: str, speaker: str, seconds: float, said: str, heard: str, language: str = "") -> Utterance:
    """Makes an utterance and counts its errors."""
    return Utterance(name, speaker, seconds, said, heard, word_errors([said], [heard]), language)


def worst(utterances: list[Utterance], count: int) -> list[Utterance]:
    """The `count` utterances with the most word errors, shorter ones first if equal; none without an error."""
    wrong = [utterance for utterance in utterances if utterance.errors.errors]
    return sorted(wrong, key=lambda u: (-u.errors.errors, u.errors.length))[:count]
