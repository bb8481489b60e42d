"""Transcribes each speaker of a recording: a model with speaker kernels, and who speaks when.

    asr = load("multitalker.nemo", MultitalkerRecognizer)
    asr.transcribe("meeting.wav", speakers=diarizer)[0].words[0].speaker
    asr.transcribe_speakers("meeting.wav", turns)["ann"].text

recording, activity -> a row for each speaker, with his mask and that of the others -> tokens -> words with times
"""

from collections.abc import Iterator, Sequence
from typing import Any, Unpack

import numpy as np
from jaxtyping import Float

from jaxspeech.archive import Archive
from jaxspeech.audio.convert import Channel
from jaxspeech.diarization.targets import activity_of_turns
from jaxspeech.diarization.turns import Turn, speakers_of
from jaxspeech.errors import AudioError, ConfigError, SpeechError, as_speech_error
from jaxspeech.inference.activity import ACTIVE, active_speakers, activity_of_speaker, resampled
from jaxspeech.inference.attributed import (
    Diarize,
    DiarizedFiles,
    activity_of,
    is_part,
    named_by_channel,
    turns_within,
)
from jaxspeech.inference.channels import each_channel
from jaxspeech.inference.conversations import Conversations
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.inputs import Recording, find_recordings
from jaxspeech.inference.options import SPEAKER_NUMBERS, TranscribeOptions, Wanted, wanted
from jaxspeech.inference.read_ahead import read_recording
from jaxspeech.inference.speaker_rows import SpeakerRows
from jaxspeech.inference.together import together
from jaxspeech.pipelines.diarizing import diarizing
from jaxspeech.pipelines.doors import with_bar
from jaxspeech.pipelines.pipeline import Pipeline
from jaxspeech.tasks.kinds import TalkerRecognition
from jaxspeech.text.tokenizer import Tokenizer

Samples = Float[np.ndarray, " N"]
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
        self, inputs: Any, *, progress: bool = False, **options: Unpack[TranscribeOptions]
    ) -> list[Hypothesis]:
        """Transcribes what the speakers of each input say, in order: words and segments have their speakers.

        Args:
          inputs: as `Recognizer.transcribe` takes them.
          progress: show a bar.
          options: see `inference.options.TranscribeOptions`: speakers, which must be given, num_speakers, min_speakers,
            max_speakers, batch_size (of speakers), sample_rate, channel, on_error.

        Raises:
          SpeechError: an input or option is invalid; the message is one line.
        """
        results = self.transcribe_iter(inputs, **options)
        return list(with_bar(results, inputs) if progress else results)

    def transcribe_iter(self, inputs: Any, **options: Unpack[TranscribeOptions]) -> Iterator[Hypothesis]:
        """Like `transcribe`, but yields each result as soon as it is ready."""
        asked = wanted(options, TranscribeOptions, call="transcribe")
        if asked.speakers is None:
            raise ConfigError("speakers: this model must know who speaks when; give a diarizer (--speakers=MODEL)")
        others = {
            **{"return_log_probs": asked.return_log_probs, "language": asked.language, "guard": asked.guard},
            **{"long": asked.long != "auto", **asked.slots},
        }
        for name, given in others.items():
            if given:
                raise ConfigError(f"{name}: a model for several speakers has no such choice")
        rate, numbers = self.task.inference.sample_rate, {name: getattr(asked, name) for name in SPEAKER_NUMBERS}
        diarize = diarizing(asked.speakers, numbers, sample_rate=rate)
        files = DiarizedFiles(diarize, channel=asked.channel if isinstance(asked.channel, int) else None)
        recordings = find_recordings(inputs)
        recordings = each_channel(recordings) if asked.channel == "each" else recordings
        return (self._result(recording, asked, diarize, files) for recording in recordings)

    def transcribe_speakers(
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
        samples = self._read(found[0], sample_rate, channel)
        names, activity = self._activity(speakers, len(samples) / self.task.inference.sample_rate, frame_seconds)
        return self._said(found[0], samples, names, activity, batch_size)

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

    def _result(self, recording: Recording, asked: Wanted, diarize: Diarize, files: DiarizedFiles) -> Hypothesis:
        """One recording's hypothesis, or with on_error="skip" the error that prevents it."""
        try:
            return self._together(recording, asked, diarize, files)
        except ConfigError:  # of the options, not of a recording
            raise
        except Exception as error:
            failed = as_speech_error(error, recording.source)
            if asked.on_error == "raise":
                raise failed from error
            return Hypothesis(source=recording.source, channel=recording.channel, error=str(failed))

    def _together(self, recording: Recording, asked: Wanted, diarize: Diarize, files: DiarizedFiles) -> Hypothesis:
        model, channel = self.task.inference, "mean" if asked.channel == "each" else asked.channel
        samples = self._read(recording, asked.sample_rate, channel if recording.channel is None else recording.channel)
        seconds, part, first = len(samples) / model.sample_rate, is_part(recording), recording.offset
        [found] = [files.find(recording)] if part else diarize([Recording(recording.source, samples)])
        if found.error is not None:
            raise AudioError(found.error)
        found = named_by_channel(found, recording.channel)
        begin = first if part else 0.0  # where the samples begin in the times of the turns
        turns = turns_within(found.turns, begin, begin + seconds, shift=-begin)
        probabilities = None if part else activity_of(found, start=0.0)
        if probabilities is None:
            names, activity = self._activity(turns, seconds, None)
        else:
            _, activity = self._activity(probabilities.probabilities, seconds, probabilities.frame_seconds)
            names = list(probabilities.speakers)
        said = self._said(recording, samples, names, activity, asked.batch_size)
        turns = [Turn(turn.start + first, turn.end + first, turn.speaker) for turn in turns]
        whole = together(said, turns, source=recording.source, duration=seconds)
        return whole._replace(channel=recording.channel)

    def _read(self, recording: Recording, sample_rate: int | None, channel: Channel) -> Samples:
        rate = self.task.inference.sample_rate
        samples = read_recording(recording, sample_rate=rate, array_rate=sample_rate, channel=channel)
        if isinstance(samples, SpeechError):
            raise samples
        return samples

    def _said(
        self, recording: Recording, samples: Samples, names: Sequence[str], activity: Activity, batch_size: int
    ) -> dict[str, Hypothesis]:
        """What each speaker says who is ever active."""
        active, said = active_speakers(activity), []
        for i in range(0, len(active), batch_size):
            part = [activity_of_speaker(activity, speaker) for speaker in active[i : i + batch_size]]
            said += self._rows.transcribe(self.variables, recording, samples, part)
        return {names[speaker]: hypothesis for speaker, hypothesis in zip(active, said, strict=True)}

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
