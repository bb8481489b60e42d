"""What is kept of recordings while they are enhanced."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jaxspeech.audio.blocks import Stored
from jaxspeech.audio.convert import Channel
from jaxspeech.errors import SpeechError, as_speech_error
from jaxspeech.inference.enhanced_output import Output, Sink
from jaxspeech.inference.enhanced_source import Source
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.windows import Cut, Window


class Settings(NamedTuple):
    """How recordings are enhanced.

    Attributes:
      cut: into windows, in samples of the model.
      wet: the share of the enhanced samples in the result; the rest are those of the recording.
      batch_size: the most rows of a batch.
      sample_rate: of arrays, in Hz; None: the model's.
      channel: the only one that is used, or "mean"; None: all.
    """

    cut: Cut
    wet: float = 1.0
    batch_size: int = 16
    sample_rate: int | None = None
    channel: Channel | None = None


class Done(NamedTuple):
    """What became of a recording: how it is stored and its length in samples, or the error."""

    recording: Recording
    stored: Stored | None
    length: int
    error: SpeechError | None


@dataclass
class Job:
    """A recording on its way; `peaks` has one for each row of a window."""

    recording: Recording
    source: Source
    sink: Sink
    rows: int = 1
    peaks: Sequence[float] = ()
    output: Output | None = None
    streams: bool = False
    state: Any = None
    error: SpeechError | None = None

    def fail(self, error: Exception) -> None:
        """Keeps the first error, and drops what was written."""
        self.error = self.error or as_speech_error(error, self.recording.source)
        if self.output is not None:
            self.output.drop(error)


@dataclass
class Piece:
    """A window of a recording, or its end; `found` has (the output of a batch, the place in it) of each row."""

    job: Job
    window: Window | None
    found: list[tuple[Any, int]] = field(default_factory=list)
