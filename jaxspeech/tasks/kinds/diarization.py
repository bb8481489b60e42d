"""A model that finds who speaks when."""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Array, Float

from jaxspeech.diarization.stream_settings import StreamSettings
from jaxspeech.tasks.kinds.arrays import Lengths, Samples
from jaxspeech.types import Variables


class Diarization(NamedTuple):
    """Speech to the activity of each speaker over time.

    Attributes:
      sample_rate: of the waveforms, in Hz.
      frame_seconds: seconds of audio per frame.
      most_speakers: maximum number of speakers, the columns of the activity.
      activity: waveforms -> (probabilities that each speaker is active [B T speakers], num_frames [B]); the speakers
        are in the order in which they begin to speak.
      streaming: the sizes of a stream that the model is made for, see `forms.speaker_streaming`; None if it only takes
        whole recordings.
    """

    sample_rate: int
    frame_seconds: float
    most_speakers: int
    activity: Callable[[Variables, Samples, Lengths], tuple[Float[Array, "B T _"], Lengths]]
    streaming: StreamSettings | None = None
