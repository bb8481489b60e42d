"""A vocoder: mel frames to waveforms."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxspeech.tasks.kinds.arrays import Frames, Lengths, Samples
from jaxspeech.types import Size, Variables


class IncrementalVocoding(NamedTuple):
    """A vocoder that works part by part; all parts together give what the whole gives.

    Attributes:
      delay: frames by which the samples are late. The first `delay * hop` samples are to be dropped, and as many
        frames follow the last one, whatever they hold.
      start: (variables, batch size) -> state before the first frame.
      step: (variables, mel frames [B T F], num_frames [B] that are left of each row, state) -> (samples [B T*hop],
        state).
    """

    delay: int
    start: Callable[[Variables, Size], Any]
    step: Callable[[Variables, Frames, Lengths, Any], tuple[Samples, Any]]


class Vocoding(NamedTuple):
    """Mel frames to waveforms.

    Attributes:
      sample_rate: of the waveforms, in Hz.
      hop: samples of each frame.
      mel: the `features.mel.MelSpectrogram` that computes such frames of recordings.
      vocode: (variables, mel frames [B T F], num_frames [B]) -> samples [B T*hop], 0 beyond a row's frames.
      incremental: the same part by part; None if the model cannot.
    """

    sample_rate: int
    hop: int
    mel: Any
    vocode: Callable[[Variables, Frames, Lengths], Samples]
    incremental: IncrementalVocoding | None = None
