"""Finds who spoke when, by clustering the embeddings of short windows of speech.

    diarizer = ClusteringDiarizer(load("titanet.nemo", Embedder), load("vad.nemo", Classifier))
    diarizer.diarize("meeting.wav")[0].turns

samples -> speech (any voice activity) -> windows of several lengths (diarization/subsegments.py) -> embeddings
    -> clusters (diarization/clustering.py) -> turns

At any moment there is one speaker at most: speech of several at a time is given to one of them. Only where it is known
that two speak (`speech=`, turns that overlap), the second speaker is the one whose voice is the next nearest.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Unpack

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.voice_activity import ENERGY_DETECTOR, VoiceActivity
from jaxspeech.diarization.affinity import Scale
from jaxspeech.diarization.clustering import ClusterOptions, cluster
from jaxspeech.diarization.second_speakers import likeness, overlaps_of, second_turns, with_turns
from jaxspeech.diarization.speaker_numbers import speaker_numbers
from jaxspeech.diarization.subsegments import merge_overlaps, subsegments
from jaxspeech.diarization.turns import speakers_of, turns_of_labels
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.inference.batching import Shape
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.options import RowOptions, wanted
from jaxspeech.inference.rows import Audio, Row
from jaxspeech.pipelines.diarized import Diarized, activity_of_turns
from jaxspeech.pipelines.diarized_rows import diarized_rows
from jaxspeech.pipelines.doors import with_bar
from jaxspeech.pipelines.embedder import SHORTEST_SECONDS, Embedder
from jaxspeech.pipelines.known_speech import check_speech, speech_of

# Length of the windows of each scale, and time from one to the next, in seconds: NeMo's general setting.
WINDOWS = ((1.5, 0.75), (1.25, 0.625), (1.0, 0.5), (0.75, 0.375), (0.5, 0.25))
# Options of a call that are those of `ClusterOptions`.
SPEAKERS = ("num_speakers", "min_speakers", "max_speakers")


class ClusteringDiarizer:
    """A speaker model and a voice activity detector that find who spoke when.

    Attributes:
      embedder: the model of speakers.
      voice_activity: finds the speech: a `Classifier` of speech, or anything like it.
      windows: (length, shift) of the windows of each scale, in seconds, from the longest to the shortest.
      clustering: further options of the clustering, see `diarization.clustering.ClusterOptions`.
    """

    def __init__(
        self,
        embedder: Embedder,
        voice_activity: VoiceActivity = ENERGY_DETECTOR,
        *,
        windows: Sequence[tuple[float, float]] = WINDOWS,
        **clustering: Any,
    ):
        """Keeps both models.

        Raises:
          ConfigError: there are no windows, or an option of the clustering does not exist or is invalid.
        """
        if not windows:
            raise ConfigError("windows is empty; it has (length, shift) in seconds of one scale or more")
        known = ClusterOptions.__dataclass_fields__
        for name in clustering:
            if name not in known:
                raise ConfigError(f"{name} is not an option of the clustering{did_you_mean(name, known)}")
        self.embedder, self.voice_activity, self.windows = embedder, voice_activity, tuple(windows)
        self.clustering = clustering
        ClusterOptions(**clustering)

    def diarize(
        self,
        inputs: Any,
        *,
        num_speakers: int | None = None,
        min_speakers: int | None = None,
        max_speakers: int | None = None,
        exclusive: bool = False,
        speech: Any = None,
        progress: bool = False,
        **options: Unpack[RowOptions],
    ) -> list[Diarized]:
        """Finds who spoke when in all inputs, in order.

        Args:
          inputs: a path (of an audio file, a folder, a .jsonl or .json manifest), an array of samples ([S], [S C]
            or [C S]; float in [-1, 1], or integers), or an iterable of all these.
          num_speakers: if it is known; always obeyed, as far as there is as much speech.
          min_speakers, max_speakers: if it is not known; 1 and 8 by default.
          exclusive: at any moment at most one speaker, also where several are known to speak.
          speech: where speech is, if that is known, instead of what the voice activity detector finds: (start, end) of
            stretches in seconds, or a mapping from the names of recordings to these, as `read_rttm` returns it.
          progress: show a bar.
          options: see `inference.options.RowOptions`; `batch_size` is of windows.

        Raises:
          SpeechError: an input or option is invalid; the message is one line.
        """
        given: Any = dict(zip(SPEAKERS, (num_speakers, min_speakers, max_speakers), strict=True))
        results = self.diarize_iter(inputs, exclusive=exclusive, speech=speech, **given, **options)
        return list(with_bar(results, inputs) if progress else results)

    def diarize_iter(
        self,
        inputs: Any,
        *,
        num_speakers: int | None = None,
        min_speakers: int | None = None,
        max_speakers: int | None = None,
        exclusive: bool = False,
        speech: Any = None,
        **options: Unpack[RowOptions],
    ) -> Iterator[Diarized]:
        """Like `diarize`, but yields each result as soon as it is ready."""
        asked = wanted(options, RowOptions, call="diarize")
        speaker_numbers(num_speakers, min_speakers, max_speakers)  # checks them
        numbers = zip(SPEAKERS, (num_speakers, min_speakers, max_speakers), strict=True)
        given: dict[str, Any] = self.clustering | {name: value for name, value in numbers if value is not None}
        chosen = ClusterOptions(**given)
        check_speech(speech)
        start = partial(self._start, chosen, speech, exclusive, asked.batch_size)
        rate = self.embedder.task.inference.sample_rate
        return diarized_rows(inputs, start, self._diarized, asked, sample_rate=rate)

    def _start(
        self,
        chosen: ClusterOptions,
        known: Any,
        exclusive: bool,
        batch_size: int,
        shape: Shape,
        audio: Audio,
        recordings: Sequence[Recording],
    ) -> tuple[tuple[Any, ...], str]:
        """Finds the windows of one recording, the speaker of each, and how much its voice is like each speaker's."""
        [place], [recording] = shape.indices, recordings
        samples, rate = audio[place], self.embedder.task.inference.sample_rate
        if known is None:
            speech = np.array(self.voice_activity(samples, rate), np.float64).reshape(-1, 2)
            overlaps = speech[:0]
        else:
            spoken = speech_of(recording, known, duration=len(samples) / rate)
            speech, overlaps = merge_overlaps(spoken), spoken[:0] if exclusive else overlaps_of(spoken)
        scales = [
            self._embedded(
                samples, subsegments(speech, window=window, shift=shift, shortest=SHORTEST_SECONDS).times, batch_size
            )
            for window, shift in self.windows
        ]
        times = np.asarray(scales[-1].times)
        labels = cluster(scales, chosen).labels
        return (times[None], labels[None], likeness(scales, labels)[None], overlaps[None]), ""

    def _embedded(self, samples: Float[np.ndarray, " S"], times: Float[np.ndarray, "N 2"], batch_size: int) -> Scale:
        """Embeds the windows of one length."""
        rate = self.embedder.task.inference.sample_rate
        places = np.round(times * rate).astype(int)
        parts = (samples[first:last] for first, last in places.tolist())
        vectors = [found.vector for found in self.embedder.embed_iter(parts, batch_size=batch_size)]
        width = self.embedder.task.inference.width
        return Scale(np.array(vectors, np.float32).reshape(-1, width), times)

    def _diarized(self, row: Row[Any]) -> Diarized:
        duration = len(row.samples) / self.embedder.task.inference.sample_rate
        if row.prediction is None:
            return Diarized(row.recording.source, duration, [], note=row.note)
        times, labels, alike, overlaps = row.prediction
        turns = turns_of_labels(times, labels)
        seconds = second_turns(turns, overlaps, times, alike)
        turns, confidences = with_turns(turns, seconds, times, alike)
        speakers = speakers_of(turns)
        activity = activity_of_turns(turns, confidences, speakers, duration=duration)
        return Diarized(
            row.recording.source,
            duration,
            turns,
            note=row.note,
            activity=activity,
            speakers=speakers,
            confidences=confidences,
        )
