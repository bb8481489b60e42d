"""What one call of a diarizer does with each recording: its windows' activity, the voices in them, and the turns."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.speech_segments import SegmentOptions
from jaxspeech.diarization.activity_turns import PREFIX, turns_of_activity
from jaxspeech.diarization.linking import link_tracks
from jaxspeech.diarization.speaker_numbers import Numbers, heard_at_all, with_most, within_speech
from jaxspeech.diarization.stitching import chain, stitch, window_spans
from jaxspeech.diarization.tracks import Track, Window, overlap_links, pieces_of, samples_of, tracks_of
from jaxspeech.inference.batching import Shape
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.rows import Audio, Row
from jaxspeech.pipelines.diarized import Diarized
from jaxspeech.pipelines.embedder import SHORTEST_SECONDS, Embedder
from jaxspeech.pipelines.known_speech import speech_of

# Tracks of neighbouring windows agree if both are active for so long, in seconds.
AGREE_SECONDS = 0.5


@dataclass(frozen=True)
class DiarizerCall:
    """One call of a diarizer.

    Attributes:
      activity: `(samples, spans of windows in frames, whole=...)` -> the windows; see `Diarizer.activity`.
      rate: sample rate of the model, in Hz.
      frame_seconds: from the start of a frame to that of the next.
      windows: their (length, shift) in seconds.
      embedder: recognises the voices of tracks; None: windows are joined by their overlap.
      threshold: the cosine from which two tracks are of the same speaker; None only without an embedder.
      numbers: how many speakers there may be.
      options: how probabilities become turns.
      speech: where speech is, if that is known; see `Diarizer.diarize`.
      exclusive: at any moment at most one speaker.
      batch_size: of tracks that are embedded.
    """

    activity: Callable[..., list[Window]]
    rate: int
    frame_seconds: float
    windows: Sequence[float]
    embedder: Embedder | None
    threshold: float | None
    numbers: Numbers
    options: SegmentOptions
    speech: Any
    exclusive: bool
    batch_size: int | None

    @property
    def frame(self) -> int:
        """Samples from the start of a frame to that of the next."""
        return round(self.frame_seconds * self.rate)

    @property
    def border(self) -> float:
        """The probability from which a speaker is heard in a window: a turn may begin there."""
        return min(float(self.options.onset), 0.5)

    def start(self, shape: Shape, audio: Audio, recordings: Sequence[Recording]) -> tuple[Any, str]:
        """Finds the activity of the speakers of one recording; a `rows.Strategy`."""
        [place], [recording] = shape.indices, recordings
        samples, seconds = audio[place], self.frame_seconds
        num_frames = -(-len(samples) // self.frame)
        length, shift = (max(round(x / seconds), 1) for x in self.windows)
        spans = window_spans(num_frames, length=length, shift=shift)
        whole = len(spans) == 1
        windows = self.activity(samples, spans, whole=whole)
        if self.speech is not None:
            windows = self._spoken(recording, windows, duration=len(samples) / self.rate)
        if self.embedder is None or self.threshold is None:
            activity = windows[0].probabilities if whole else chain(windows, border=self.border)
            activity = with_most(activity, self.numbers.most, border=self.border)
        else:
            num_frames = len(windows[0].probabilities) if whole else num_frames
            activity = self._linked(samples, windows, num_frames, self.embedder, self.threshold)
        return (activity[None],), ""

    def result(self, row: Row[Any]) -> Diarized:
        """Makes the turns of one recording."""
        source, duration = row.recording.source, len(row.samples) / self.rate
        if row.prediction is None:
            return Diarized(source, duration, [], note=row.note, frame_seconds=self.frame_seconds)
        [activity] = row.prediction
        options: Any = {"options": self.options, "frame_seconds": self.frame_seconds}
        names = [f"{PREFIX}{number}" for number in range(activity.shape[1])]
        forced = heard_at_all(activity, self.numbers.least, **options)
        options |= {"duration": duration, "exclusive": self.exclusive, "names": names, "forced": forced}
        turns, confidences = turns_of_activity(activity, **options)
        return Diarized(
            source, duration, turns, None, row.note, activity, self.frame_seconds, tuple(names), confidences
        )

    def _spoken(self, recording: Recording, windows: Sequence[Window], *, duration: float) -> list[Window]:
        """Applies the known speech to all windows."""
        speech = speech_of(recording, self.speech, duration=duration)
        found = []
        for first, probabilities in windows:
            begin = first * self.frame_seconds
            inside = np.clip(speech - begin, 0, len(probabilities) * self.frame_seconds).tolist()
            limits: Any = {"frame_seconds": self.frame_seconds, "border": float(self.options.onset)}
            found.append(Window(first, within_speech(probabilities, inside, **limits)))
        return found

    def _linked(
        self,
        samples: Float[np.ndarray, " N"],
        windows: Sequence[Window],
        num_frames: int,
        embedder: Embedder,
        threshold: float,
    ) -> Float[np.ndarray, "T K"]:
        """Recognises the voices of the tracks, and joins the windows by them."""
        tracks = tracks_of(windows, border=self.border)
        tracks = pieces_of(tracks, least=self.numbers.least, frame_seconds=self.frame_seconds)
        vectors = self._embedded(samples, windows, tracks, embedder)
        known = [i for i, vector in enumerate(vectors) if len(vector)]
        tracks, vectors = [tracks[i] for i in known], [vectors[i] for i in known]
        agree = max(round(AGREE_SECONDS / self.frame_seconds), 1)
        labels = link_tracks(
            np.stack(vectors) if vectors else np.zeros((0, 1), np.float32),
            np.array([track.window for track in tracks], np.int64),
            np.array([track.speaker for track in tracks], np.int64),
            np.array([track.heard(self.frame_seconds).sum() * self.frame_seconds for track in tracks], np.float32),
            threshold=threshold,
            numbers=self.numbers,
            links=overlap_links(windows, tracks, least_frames=agree),
        )
        return stitch(windows, tracks, labels, num_frames=num_frames)

    def _embedded(
        self,
        samples: Float[np.ndarray, " N"],
        windows: Sequence[Window],
        tracks: Sequence[Track],
        embedder: Embedder,
    ) -> list[Float[np.ndarray, " E"]]:
        """Embeds each track; one that is too short, in a recording that is, has an empty vector."""
        shortest = int(np.ceil(SHORTEST_SECONDS * self.rate)) + 1
        cut: Any = {"frame": self.frame, "frame_seconds": self.frame_seconds, "shortest": shortest}

        def parts() -> Iterator[Float[np.ndarray, " M"]]:
            for track in tracks:
                first, probabilities = windows[track.window]
                inside = samples[first * self.frame : (first + len(probabilities)) * self.frame]
                yield samples_of(track, inside, **cut)

        options: Any = {"batch_size": self.batch_size, "sample_rate": self.rate, "on_error": "skip"}
        return [found.vector for found in embedder.embed_iter(parts(), **options)]
