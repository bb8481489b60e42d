"""Transcribes each speaker of a recording: a model with speaker kernels, and who speaks when.

    asr = load("multitalker.nemo", MultitalkerRecognizer)
    turns = diarizer.diarize("meeting.wav")[0].turns
    for speaker, said in asr.transcribe("meeting.wav", turns).items(): print(speaker, said.text)

recording, activity -> a row for each speaker, with his mask and that of the others -> tokens -> words with times
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.archive import Archive
from jaxspeech.audio.convert import Channel
from jaxspeech.diarization.targets import activity_of_turns
from jaxspeech.diarization.turns import Turn, speakers_of
from jaxspeech.errors import ConfigError, SpeechError
from jaxspeech.inference.activity import ACTIVE, active_speakers, activity_of_speaker, resampled
from jaxspeech.inference.conversations import Conversations
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.inputs import Recording, find_recordings
from jaxspeech.inference.read_ahead import read_recording
from jaxspeech.inference.speaker_rows import SpeakerRows
from jaxspeech.pipelines.pipeline import Pipeline
from jaxspeech.tasks.kinds import TalkerRecognition
from jaxspeech.text.tokenizer import Tokenizer

Activity = Float[np.ndarray, "T S"]


class MultitalkerRecognizer(Pipeline):
    """A recognition model that follows one speaker among several, and its tokenizer.

    What all pipelines have is documented at `Pipeline`.

    Attributes:
      tokenizer: text to ids and back; one of the assets.
    """

    takes = TalkerRecognition

    def __init__(self, archive: Archive, *, dtype: str | None = None):
        """Puts the model on the device.

        Args:
          archive: the content of a model file.
          dtype: of the matrix products; None: as in the configuration.

        Raises:
          ConfigError: it is a model of another kind.
        """
        super().__init__(archive, dtype=dtype)
        self.tokenizer: Tokenizer = self.assets["tokenizer"]
        self._rows = SpeakerRows(self.task, self.config, self.tokenizer)

    def transcribe(
        self,
        recording: Any,
        speakers: Any,
        *,
        frame_seconds: float | None = None,
        sample_rate: int | None = None,
        channel: Channel = "mean",
        batch_size: int = 16,
    ) -> dict[str, Hypothesis]:
        """Transcribes what each speaker of one recording says, with words and their times.

        Args:
          recording: a path, or an array of samples.
          speakers: the turns of a diarizer, (start, end, speaker) in seconds; or the activity of the speakers [T S],
            from 0 to 1, whose names are then "speaker_0", "speaker_1", ...
          frame_seconds: from one frame of the activity to the next; the model's by default, usually 0.08.
          sample_rate: of an array, in Hz; the model's by default.
          channel: "mean" of all channels, or the number of one.
          batch_size: the most speakers at once.

        Returns:
          A hypothesis for each speaker who is ever active, in the order of the activity or of the first turns.

        Raises:
          SpeechError: the recording cannot be read, or `speakers` is neither of these; the message is one line.
        """
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}; it must be at least 1")
        found = [recording] if isinstance(recording, Recording) else [*find_recordings(recording)]
        if len(found) != 1:
            raise ConfigError(f"{len(found)} recordings with the speakers of one: transcribe them one by one")
        rate = self.task.inference.sample_rate
        samples = read_recording(found[0], sample_rate=rate, array_rate=sample_rate, channel=channel)
        if isinstance(samples, SpeechError):
            raise samples
        names, activity = self._activity(speakers, len(samples) / rate, frame_seconds)
        active = active_speakers(activity) if len(samples) else []
        said: list[Hypothesis] = []
        for i in range(0, len(active), batch_size):
            part = [activity_of_speaker(activity, speaker) for speaker in active[i : i + batch_size]]
            said += self._rows.transcribe(self.variables, found[0], samples, part)
        return {names[speaker]: hypothesis for speaker, hypothesis in zip(active, said, strict=True)}

    def conversations(self, size: int, *, look_ahead: int | None = None, chunks: int = 1) -> Conversations:
        """Transcribes live recordings of several speakers; see `inference.conversations`.

        Args:
          size: the most speakers who speak at the same time, in all recordings together.
          look_ahead: encoder frames of look-ahead, one of those that the model supports.
          chunks: of look_ahead + 1 frames in one step; more cost less, but add latency.

        Raises:
          ConfigError: the model cannot stream (the message lists all reasons), or does not support this look-ahead.
        """
        return Conversations(self._rows.streams(self.variables, size, look_ahead=look_ahead, chunks=chunks))

    def _activity(self, speakers: Any, seconds: float, frame_seconds: float | None) -> tuple[list[str], Activity]:
        """Names and activity, in the frames of the model."""
        ours = self.task.inference.frame_seconds
        if not hasattr(speakers, "shape"):
            try:
                turns = sorted(Turn(*turn) for turn in speakers)
            except (TypeError, ValueError) as error:
                raise ConfigError("speakers: give turns, (start, end, speaker), or activity [T S]") from error
            most = max(len(speakers_of(turns)), 1)
            found = activity_of_turns(turns, most_speakers=most, seconds=seconds, frame_seconds=ours)
            return [*found.speakers], (found.shares[:, : len(found.speakers)] > ACTIVE).astype(np.float32)
        activity = np.asarray(speakers, np.float32)
        if activity.ndim != 2 or not len(activity):
            raise ConfigError(f"speakers: the activity has shape {activity.shape}; it must be [frames, speakers]")
        if frame_seconds not in (None, ours):
            count = max(int(np.ceil(seconds / ours)), 1)
            activity = resampled(activity, from_seconds=frame_seconds, to_seconds=ours, count=count)
        return [f"speaker_{i}" for i in range(activity.shape[1])], activity
