"""A voice: a text-to-mel model and its vocoder."""

from typing import NamedTuple

from jaxspeech.tasks.kinds.synthesis import Synthesis
from jaxspeech.tasks.kinds.vocoding import Vocoding


class Speaking(NamedTuple):
    """Text to speech: a text-to-mel model and the vocoder of its frames; both take the variables of the whole.

    Attributes:
      synthesis: text to mel frames.
      vocoding: mel frames to waveforms.
    """

    synthesis: Synthesis
    vocoding: Vocoding
