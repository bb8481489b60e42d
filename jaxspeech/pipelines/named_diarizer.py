"""Gives the speakers that a diarizer finds the names of enrolled people.

    speakers = load("titanet.nemo", Embedder)
    speakers.enrol({"ann": "ann.wav", "bob": ["bob1.wav", "bob2.wav"]})
    NamedDiarizer(ClusteringDiarizer(speakers), speakers).diarize("meeting.wav")[0].turns

recording -> turns -> what each speaker says alone -> embeddings -> the names with the highest sum of cosines, each once
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from jaxspeech.diarization.solo import solo_turns
from jaxspeech.diarization.turns import Turn, speakers_of
from jaxspeech.errors import ConfigError, SpeechError
from jaxspeech.inference.attributed import renamed
from jaxspeech.inference.inputs import Recording, find_recordings
from jaxspeech.inference.options import RowOptions, wanted
from jaxspeech.inference.read_ahead import read_recording
from jaxspeech.inference.voices import Enrolment, unit
from jaxspeech.pipelines.doors import with_bar
from jaxspeech.pipelines.embedder import Embedder

# Speech of a speaker is embedded in pieces of at most so many seconds, the longest turns first, and at most so many.
PIECE_SECONDS, MOST_PIECES = 3.0, 20
# Shorter pieces say little of a voice; they count only if there is nothing else.
SHORTEST_SECONDS = 0.5


class NamedDiarizer:
    """A diarizer whose speakers have the names of the enrolled people whose voices they have; others keep theirs.

    Attributes:
      diarizer: finds the turns; anything with its method `diarize_iter`.
      embedder: the model of speakers, in which people are enrolled.
      threshold: the lowest cosine of a known speaker.
    """

    def __init__(self, diarizer: Any, embedder: Embedder, *, threshold: float | None = None):
        """Keeps both.

        Args:
          diarizer: finds the turns.
          embedder: with enrolled speakers.
          threshold: the lowest cosine of a known speaker; None: the model's, see `Embedder.threshold`.

        Raises:
          ConfigError: nobody is enrolled.
        """
        if not embedder.enrolment.names:
            raise ConfigError('no speaker is enrolled: call enrol({"ann": ["a.wav", "b.wav"]}) first')
        self.diarizer, self.embedder = diarizer, embedder
        self.threshold = embedder.threshold if threshold is None else threshold

    def diarize(self, inputs: Any, *, progress: bool = False, **options: Any) -> list[Any]:
        """Finds who spoke when in all inputs, in order; takes and returns what the diarizer's `diarize` does."""
        results = self.diarize_iter(inputs, **options)
        return list(with_bar(results, inputs) if progress else results)

    def diarize_iter(self, inputs: Any, **options: Any) -> Iterator[Any]:
        """Like `diarize`, but yields each result as soon as it is ready."""
        rows: Any = {name: value for name, value in options.items() if name in RowOptions.__annotations__}
        asked = wanted(rows, RowOptions, call="diarize")
        rate = self.embedder.task.inference.sample_rate
        of_arrays = options | {"sample_rate": rate, "channel": "mean"}
        self.diarizer.diarize_iter([], **of_arrays)  # reports now that an option is invalid

        def results() -> Iterator[Any]:
            for recording in find_recordings(inputs):
                channel: Any = asked.channel if recording.channel is None else recording.channel
                samples = read_recording(recording, sample_rate=rate, array_rate=asked.sample_rate, channel=channel)
                if isinstance(samples, SpeechError):
                    yield from self.diarizer.diarize_iter(
                        [Recording(recording.source, problem=str(samples))], **of_arrays
                    )
                    continue
                [found] = self.diarizer.diarize_iter([Recording(recording.source, samples)], **of_arrays)
                yield renamed(found, self.names(found.turns, samples))

        return results()

    def names(self, turns: Sequence[Turn], samples: Float[np.ndarray, " S"]) -> dict[str, str]:
        """Finds the names of those speakers who are enrolled; no two have the same name.

        Args:
          turns: of all speakers of the recording.
          samples: of the recording, at the rate of the embedder.
        """
        voices = speaker_voices(turns, samples, self.embedder)
        return matched(voices, self.embedder.enrolment, self.threshold)


def speaker_voices(
    turns: Sequence[Turn], samples: Float[np.ndarray, " S"], embedder: Embedder
) -> dict[str, Float[np.ndarray, " E"]]:
    """Embeds what each speaker says, if possible alone: the mean of the normalised embeddings of pieces of its speech.

    Args:
      turns: of all speakers of the recording.
      samples: of the recording, at the rate of the embedder.
      embedder: the model of speakers.
    """
    rate, alone = embedder.task.inference.sample_rate, solo_turns(turns)
    pieces: list[np.ndarray] = []
    owners: list[str] = []
    for speaker in speakers_of(turns):
        own = [turn for turn in alone if turn.speaker == speaker and turn.end - turn.start >= SHORTEST_SECONDS]
        own = own or [turn for turn in turns if turn.speaker == speaker]
        for piece in _pieces(sorted(own, key=lambda turn: turn.start - turn.end)):
            pieces.append(samples[round(piece.start * rate) : round(piece.end * rate)])
            owners.append(speaker)
    sums: dict[str, Any] = {}
    for speaker, found in zip(owners, embedder.embed_iter(pieces, on_error="skip"), strict=True):
        if found.error is None:
            sums[speaker] = sums.get(speaker, np.float32(0)) + unit(found.vector)
    return {speaker: unit(vector) for speaker, vector in sums.items()}


def matched(voices: Mapping[str, Float[np.ndarray, " E"]], enrolment: Enrolment, threshold: float) -> dict[str, str]:
    """Matches speakers to enrolled names one to one, with the highest sum of those cosines that reach the threshold."""
    if not voices or not enrolment.names:
        return {}
    people = np.stack([enrolment.vector(name) for name in enrolment.names])
    speakers = list(voices)
    cosines = np.stack([voices[speaker] for speaker in speakers]) @ people.T
    # A pair below the threshold is no pair, so it must not outweigh one above it, whatever the sign of the threshold.
    worth = np.where(cosines >= threshold, cosines - min(threshold, 0.0) + 1e-6, 0.0)
    pairs = zip(*linear_sum_assignment(-worth), strict=True)
    return {speakers[i]: enrolment.names[j] for i, j in pairs if cosines[i, j] >= threshold}


def _pieces(turns: Sequence[Turn]) -> list[Turn]:
    """Cuts turns into pieces of equal length, the first turns first."""
    found: list[Turn] = []
    for start, end, speaker in turns:
        count = max(int(np.ceil((end - start) / PIECE_SECONDS)), 1)
        borders = np.linspace(start, end, count + 1).tolist()
        found += [Turn(first, last, speaker) for first, last in pairwise(borders)]
    return found[:MOST_PIECES]
