"""A recogniser that follows one of several speakers."""

from collections.abc import Callable
from typing import NamedTuple

from jaxspeech.search.tokens import Tokens
from jaxspeech.speaker_masks import SpeakerMasks
from jaxspeech.tasks.kinds.arrays import Frames, Lengths, Samples
from jaxspeech.tasks.kinds.recognition import IncrementalSearch
from jaxspeech.types import Variables


class TalkerRecognition(NamedTuple):
    """Speech of one of several speakers to text.

    Attributes:
      sample_rate: of the waveforms, in Hz.
      frame_seconds: seconds of audio per encoder frame, which the masks have too.
      vocab_size: V, tokens without the blank.
      encode: (variables, samples, num_samples, masks of the speaker and the others) -> (encoder frames, num_frames).
      decode: (variables, encoder frames, num_frames) -> Tokens, by the search that is configured.
      incremental: the greedy search, part by part; None if a beam search is configured.
    """

    sample_rate: int
    frame_seconds: float
    vocab_size: int
    encode: Callable[[Variables, Samples, Lengths, SpeakerMasks], tuple[Frames, Lengths]]
    decode: Callable[[Variables, Frames, Lengths], Tokens]
    incremental: IncrementalSearch | None

    @property
    def prompted(self) -> bool:
        """Whether it reads a prompt: never."""
        return False
