"""Finds who spoke when with a model of the activity of speakers, such as Sortformer.

    diarizer = load("diar.jaxspeech", Diarizer, embedder=load("titanet.nemo", Embedder))
    diarizer.diarize("meeting.wav", num_speakers=3)[0].turns

With a model of speakers, voices are recognised over all of a recording, and there may be more speakers than the model
of activity has:

    samples -> activity in windows of 30 s that overlap -> tracks (diarization/tracks.py) -> an embedding of each
        -> which are of one speaker (diarization/linking.py) -> activity of the recording (diarization/stitching.py)
        -> turns (diarization/activity_turns.py)

Without, a recording of up to 90 s is one window. A longer one has windows of 90 s that overlap by half, and a speaker
is who was active at the same time in the window before.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Unpack

import jax
import numpy as np
from jaxtyping import Float

from jaxspeech.archive import Archive
from jaxspeech.audio.speech_segments import SegmentOptions
from jaxspeech.diarization.activity_turns import PREFIX, turn_options, turn_spans
from jaxspeech.diarization.speaker_numbers import speaker_numbers
from jaxspeech.diarization.stitching import Span
from jaxspeech.diarization.tracks import Window
from jaxspeech.errors import AudioError, ConfigError
from jaxspeech.forms.speaker_streaming import speaker_streaming
from jaxspeech.inference.batching import Shape, padded_length
from jaxspeech.inference.live_turns import LiveTurns
from jaxspeech.inference.options import RowOptions, wanted
from jaxspeech.inference.programs import Programs
from jaxspeech.inference.speaker_stream import SpeakerStreams, compile_speakers
from jaxspeech.pipelines.diarized import Diarized
from jaxspeech.pipelines.diarized_rows import diarized_rows
from jaxspeech.pipelines.diarizer_call import DiarizerCall
from jaxspeech.pipelines.doors import with_bar
from jaxspeech.pipelines.embedder import Embedder
from jaxspeech.pipelines.known_speech import check_speech
from jaxspeech.pipelines.pipeline import Pipeline
from jaxspeech.tasks.kinds import Diarization

# (length, shift) of windows in seconds, with a model of speakers and without.
WITH_EMBEDDER, ALONE = (30.0, 22.4), (90.0, 44.8)
# Windows that are computed at once.
WINDOWS = 4


class Diarizer(Pipeline):
    """A model of the activity of speakers, and perhaps one of their voices.

    What all pipelines have is documented at `Pipeline`.

    Attributes:
      embedder: recognises voices; None: there are at most as many speakers as the model has. May be set later.
      postprocessing: how probabilities become turns, if a call does not say it.
      threshold: the cosine from which two tracks are of the same speaker; None: the embedder's.
    """

    takes = Diarization

    def __init__(
        self,
        archive: Archive,
        *,
        dtype: str | None = None,
        embedder: Embedder | None = None,
        postprocessing: str | Mapping[str, Any] | SegmentOptions | None = None,
        windows: tuple[float, float] | None = None,
        threshold: float | None = None,
    ):
        """Puts the model on the device.

        Args:
          archive: the content of a model file.
          dtype: of the matrix products; None: as in the configuration.
          embedder: a model of speakers, by which voices are recognised over all of a recording.
          postprocessing: see `diarize`.
          windows: (length, shift) of the windows, in seconds; by default (30, 22.4), without an embedder (90, 44.8).
          threshold: the cosine from which two tracks are of the same speaker; None: the embedder's.

        Raises:
          ConfigError: it is not a diarization model, or an option is invalid.
        """
        if embedder is not None and not isinstance(embedder, Embedder):
            given = type(embedder).__name__
            raise ConfigError(f'embedder is a {given}; it must be jaxspeech.load("titanet.nemo", jaxspeech.Embedder)')
        super().__init__(archive, dtype=dtype)
        kind = self.task.inference
        self.embedder, self.threshold = embedder, threshold
        self.postprocessing = turn_options(postprocessing)
        self._windows = None if windows is None else tuple(windows)
        if len(self.windows) != 2 or not kind.frame_seconds <= self.windows[1] <= self.windows[0]:
            raise ConfigError(
                f"windows is {windows!r}; it is (length, shift) in seconds, the shift not above the length"
            )
        self._programs = Programs(self.task, kind.activity, name="diarize", config=self.config)

    @property
    def windows(self) -> tuple[float, ...]:
        """The (length, shift) of the windows, in seconds."""
        return self._windows or (ALONE if self.embedder is None else WITH_EMBEDDER)

    def diarize(
        self,
        inputs: Any,
        *,
        num_speakers: int | None = None,
        min_speakers: int | None = None,
        max_speakers: int | None = None,
        exclusive: bool = False,
        postprocessing: str | Mapping[str, Any] | SegmentOptions | None = None,
        speech: Any = None,
        progress: bool = False,
        **options: Unpack[RowOptions],
    ) -> list[Diarized]:
        """Finds who spoke when in all inputs, in order.

        Args:
          inputs: a path (of an audio file, a folder, a .jsonl or .json manifest), an array of samples ([S], [S C]
            or [C S]; float in [-1, 1], or integers), or an iterable of all these.
          num_speakers: if it is known; always obeyed where anybody speaks.
          min_speakers, max_speakers: if it is not known.
          exclusive: at any moment at most one speaker, the more probable one.
          postprocessing: how probabilities become turns: options of `audio.speech_segments.SegmentOptions` (onset,
            offset, pad_onset, pad_offset, min_speech, min_silence, ...), or the name of published settings, one of
            `diarization.activity_turns.SETTINGS`.
          speech: where speech is, if that is known: (start, end) of stretches in seconds, or a mapping from the names
            of recordings to these, as `diarization.rttm.read_rttm` returns it.
          progress: show a bar.
          options: see `inference.options.RowOptions`; `batch_size` is of tracks that are embedded.

        Raises:
          SpeechError: an input or option is invalid; the message is one line.
        """
        given: Any = {"num_speakers": num_speakers, "min_speakers": min_speakers, "max_speakers": max_speakers}
        given |= {"exclusive": exclusive, "postprocessing": postprocessing, "speech": speech}
        results = self.diarize_iter(inputs, **given, **options)
        return list(with_bar(results, inputs) if progress else results)

    def diarize_iter(
        self,
        inputs: Any,
        *,
        num_speakers: int | None = None,
        min_speakers: int | None = None,
        max_speakers: int | None = None,
        exclusive: bool = False,
        postprocessing: str | Mapping[str, Any] | SegmentOptions | None = None,
        speech: Any = None,
        **options: Unpack[RowOptions],
    ) -> Iterator[Diarized]:
        """Like `diarize`, but yields each result as soon as it is ready."""
        asked = wanted(options, RowOptions, call="diarize")
        numbers = speaker_numbers(num_speakers, min_speakers, max_speakers)
        most = self.task.inference.most_speakers
        if self.embedder is None and numbers.least > most:
            name = "min_speakers" if num_speakers is None else "num_speakers"
            raise ConfigError(f"{name} is {numbers.least}, but the model knows {most} speakers: give it an embedder")
        chosen = self.postprocessing if postprocessing is None else turn_options(postprocessing)
        check_speech(speech)
        kind = self.task.inference
        threshold = self.threshold
        if self.embedder is not None and threshold is None:
            threshold = self.embedder.threshold
        call = DiarizerCall(
            *(self.activity, kind.sample_rate, kind.frame_seconds, self.windows),
            *(self.embedder, threshold, numbers, chosen, speech, exclusive, asked.batch_size),
        )
        return diarized_rows(inputs, call.start, call.result, asked, sample_rate=kind.sample_rate)

    def streams(
        self,
        size: int = 1,
        *,
        latency: float | str | None = None,
        postprocessing: str | Mapping[str, Any] | SegmentOptions | None = None,
        **settings: int | float,
    ) -> SpeakerStreams:
        """Opens live recordings, in which a speaker keeps his name however long he is silent; no embedder is used.

        Args:
          size: maximum number of simultaneous recordings; they are stepped together.
          latency: one of the published settings, 0.32, 1.04, 10 or 30.4 s; None: the model's own.
          postprocessing: see `diarize`.
          settings: see `diarization.stream_settings.StreamSettings`: chunk, right, cache, queue, update, ...

        Raises:
          ConfigError: the model cannot run live, or an option is invalid.
        """
        form = speaker_streaming(self.task, latency=latency, options=settings)
        chosen = self.postprocessing if postprocessing is None else turn_options(postprocessing)
        seconds = form.frame_seconds

        def spans(probabilities: Float[np.ndarray, " T"], duration: float | None) -> Float[np.ndarray, "N 2"]:
            return turn_spans(probabilities, frame_seconds=seconds, options=chosen, duration=duration)

        names = [f"{PREFIX}{number}" for number in range(form.speakers)]
        turns = partial(LiveTurns, names, spans, chosen, frame_seconds=seconds)
        turns()  # reports now that the options need whole recordings
        return SpeakerStreams(compile_speakers(form, self.variables, size=size), self.variables, turns=turns)

    def activity(self, samples: Float[np.ndarray, " N"], spans: Sequence[Span], *, whole: bool) -> list[Window]:
        """Returns what the model says about windows of a recording.

        Args:
          samples: of the recording.
          spans: of the windows, in frames.
          whole: the only window is the whole recording, whose frames are counted by the model.

        Raises:
          AudioError: a window does not fit in memory.
        """
        kind = self.task.inference
        frame = round(kind.frame_seconds * kind.sample_rate)
        parts = [samples[first * frame : last * frame] for first, last in spans]
        longest, single = max(map(len, parts)), len(spans) == 1
        length = padded_length(longest, sample_rate=kind.sample_rate) if whole else longest
        found, rows = list[Window](), 1 if single else WINDOWS
        for at in range(0, len(parts), rows):
            some = dict(enumerate(parts[at : at + rows]))
            if not any(part.any() for part in some.values()):  # nobody speaks in digital silence
                frames = [
                    np.zeros((last - first, kind.most_speakers), np.float32) for first, last in spans[at : at + rows]
                ]
            else:
                try:
                    prediction, _ = self._programs.start(self.variables, Shape(tuple(some), rows, length), some)
                    predicted = jax.device_get(prediction)
                except (AudioError, MemoryError):
                    if single:
                        raise
                    found += [self.activity(samples, [span], whole=False)[0] for span in spans[at : at + rows]]
                    continue
                frames = [np.asarray(predicted[0][row, : predicted[1][row]], np.float32) for row in some]
            for (first, last), own in zip(spans[at : at + rows], frames, strict=True):
                missing = max(last - first - len(own), 0)
                # The model may count a frame more than there are samples for; a whole recording keeps it.
                own = own if whole else np.pad(own[: last - first], ((0, missing), (0, 0)))
                found.append(Window(first, own))
        return found
