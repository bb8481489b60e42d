"""Finds who spoke when, by clustering the embeddings of short windows of speech.

    diarizer = ClusteringDiarizer(load("titanet.nemo", Embedder), load("vad.nemo", Classifier))
    diarizer.diarize("meeting.wav")[0].turns

samples -> speech (any voice activity) -> windows of several lengths (diarization/subsegments.py) -> embeddings
    -> clusters (diarization/clustering.py) -> turns

At any moment there is one speaker at most: speech of several at a time is given to one of them.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, Unpack

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.audio.voice_activity import ENERGY_DETECTOR, VoiceActivity
from jaxspeech.diarization.affinity import Scale
from jaxspeech.diarization.clustering import ClusterOptions, cluster
from jaxspeech.diarization.subsegments import subsegments
from jaxspeech.diarization.turns import Turn, turns_of_labels
from jaxspeech.errors import ConfigError, SpeechError, did_you_mean
from jaxspeech.inference.batching import Shape
from jaxspeech.inference.inputs import find_recordings
from jaxspeech.inference.options import RowOptions, wanted
from jaxspeech.inference.results import results_of
from jaxspeech.inference.rows import Audio, Row, Strategy, predicted_rows
from jaxspeech.pipelines.doors import with_bar
from jaxspeech.pipelines.embedder import SHORTEST_SECONDS, Embedder

# Length of the windows of each scale, and time from one to the next, in seconds: NeMo's general setting.
WINDOWS = ((1.5, 0.75), (1.25, 0.625), (1.0, 0.5), (0.75, 0.375), (0.5, 0.25))
# Options of a call that are those of `ClusterOptions`.
SPEAKERS = ("num_speakers", "min_speakers", "max_speakers")


class Diarized(NamedTuple):
    """Who spoke when in one recording.

    Attributes:
      source: the file's path, or "array 0", "array 1", ...
      duration: of the audio, in seconds.
      turns: (start, end, speaker) of each, times in seconds, in the order of the starts.
      error: with `on_error="skip"`, one line that says why there is no result.
      note: one line about how it was computed, if there is something to report.
    """

    source: str
    duration: float
    turns: list[Turn]
    error: str | None = None
    note: str | None = None


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
        progress: bool = False,
        **options: Unpack[RowOptions],
    ) -> list[Diarized]:
        """Finds who spoke when in all inputs, in order.

        Args:
          inputs: a path (of an audio file, a folder, a .jsonl or .json manifest), an array of samples ([S], [S C]
            or [C S]; float in [-1, 1], or integers), or an iterable of all these.
          num_speakers: if it is known; always obeyed, as far as there is as much speech.
          min_speakers, max_speakers: if it is not known; 1 and 8 by default.
          progress: show a bar.
          options: see `inference.options.RowOptions`; `batch_size` is of windows.

        Raises:
          SpeechError: an input or option is invalid; the message is one line.
        """
        given: Any = dict(zip(SPEAKERS, (num_speakers, min_speakers, max_speakers), strict=True))
        results = self.diarize_iter(inputs, **given, **options)
        return list(with_bar(results, inputs) if progress else results)

    def diarize_iter(
        self,
        inputs: Any,
        *,
        num_speakers: int | None = None,
        min_speakers: int | None = None,
        max_speakers: int | None = None,
        **options: Unpack[RowOptions],
    ) -> Iterator[Diarized]:
        """Like `diarize`, but yields each result as soon as it is ready."""
        asked = wanted(options, RowOptions, call="diarize")
        numbers = zip(SPEAKERS, (num_speakers, min_speakers, max_speakers), strict=True)
        given: dict[str, Any] = self.clustering | {name: value for name, value in numbers if value is not None}
        chosen = ClusterOptions(**given)
        start = partial(self._start, chosen, asked.batch_size)
        rows = predicted_rows(
            find_recordings(inputs),
            [Strategy(start, alone=True)],
            asked._replace(batch_size=1),
            sample_rate=self.embedder.task.inference.sample_rate,
        )
        return results_of(rows, self._diarized, _failed, on_error=asked.on_error)

    def _start(
        self, chosen: ClusterOptions, batch_size: int, shape: Shape, audio: Audio
    ) -> tuple[tuple[Float[np.ndarray, "1 N 2"], Int[np.ndarray, "1 N"]], str]:
        """Finds the windows of one recording, and the speaker of each."""
        [place] = shape.indices
        samples, rate = audio[place], self.embedder.task.inference.sample_rate
        speech = np.array(self.voice_activity(samples, rate), np.float64).reshape(-1, 2)
        scales = [
            self._embedded(
                samples, subsegments(speech, window=window, shift=shift, shortest=SHORTEST_SECONDS).times, batch_size
            )
            for window, shift in self.windows
        ]
        times = np.asarray(scales[-1].times)
        return (times[None], cluster(scales, chosen).labels[None]), ""

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
        turns = [] if row.prediction is None else turns_of_labels(*row.prediction)
        return Diarized(row.recording.source, duration, turns, note=row.note)


def _failed(row: Row[Any], error: SpeechError) -> Diarized:
    return Diarized(row.recording.source, 0.0, [], str(error))
