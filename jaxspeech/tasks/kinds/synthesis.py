"""A text-to-mel model: text to the mel frames of speech."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Int

from jaxspeech.tasks.kinds.arrays import Frames
from jaxspeech.types import Size, Variables


class Timing(NamedTuple):
    """What a text-to-mel model computes before its frames.

    Attributes:
      durations: frames of each symbol, 0 beyond a row's symbols.
      hidden: whatever the frames are made of besides: arrays, in tuples or dicts, B leading in each.
    """

    durations: Int[Any, "B N"]
    hidden: Any


class Synthesis(NamedTuple):
    """Text to mel frames, in two programs: the host reads the durations of the first, which size the second.

    Attributes:
      sample_rate: of the audio that the frames are of, in Hz.
      hop: samples from one frame to the next.
      mel: the `features.mel.MelSpectrogram` that computes such frames of recordings.
      vocab_size: number of symbols.
      num_speakers: those of the model, numbered from 0; 0 for a model of one voice, which ignores the speaker.
      durations: (variables, text [B N], num_symbols [B], speaker [B], pace [B], pitch_shift [B]) -> Timing. A pace of 2
        is twice as fast; the shift is in standard deviations of the pitch. With `styled`, a last argument (samples
        [B S], num_samples [B]) is a recording for each row, which is spoken like.
      frames: (variables, Timing, T, which is a static number of frames) -> mel frames [B T F], of which a row has the
        sum of its durations.
      styled: whether the model takes its manner of speaking from a recording.
    """

    sample_rate: int
    hop: int
    mel: Any
    vocab_size: int
    num_speakers: int
    durations: Callable[..., Timing]
    frames: Callable[[Variables, Timing, Size], Frames]
    styled: bool = False
