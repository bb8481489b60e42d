"""Prepares whatever finds speakers for a recogniser: a diarizer, a speaker model, or a function of one's own."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jaxspeech.diarization.turns import Turn
from jaxspeech.errors import ConfigError, SpeechError, as_speech_error
from jaxspeech.inference.attributed import Diarize
from jaxspeech.inference.inputs import Recording, find_recordings
from jaxspeech.inference.options import SPEAKER_NUMBERS
from jaxspeech.inference.read_ahead import read_recording
from jaxspeech.pipelines.clustering_diarizer import ClusteringDiarizer
from jaxspeech.pipelines.diarized import Diarized
from jaxspeech.pipelines.embedder import Embedder
from jaxspeech.pipelines.named_diarizer import NamedDiarizer


def diarizing(speakers: Any, numbers: Mapping[str, int | None], *, sample_rate: int) -> Diarize:
    """Returns the function that finds who spoke when in recordings.

    Args:
      speakers: a diarizer, a speaker model, or a function (samples, rate) -> turns. If the diarizer has a speaker model
        in which people are enrolled, turns have their names.
      numbers: num_speakers, min_speakers and max_speakers, as far as they are known.
      sample_rate: of recordings that are arrays, in Hz.

    Raises:
      ConfigError: it finds no speakers, or does not take these numbers.
    """
    diarizer = diarizer_of(speakers)
    known = {name: number for name, number in numbers.items() if number is not None}
    options: dict[str, Any] = {"sample_rate": sample_rate, "on_error": "skip", **known}
    diarizer.diarize_iter([], **options)  # reports now that an option is invalid
    # The activity of clusters is made from the turns, whose times are more precise.
    clusters = isinstance(getattr(diarizer, "diarizer", diarizer), ClusteringDiarizer)

    def diarize(recordings: list[Recording]) -> Iterator[Any]:
        for found in diarizer.diarize_iter(recordings, **options):
            yield found._replace(activity=None) if clusters and hasattr(found, "activity") else found

    return diarize


def diarizer_of(speakers: Any) -> Any:
    """Returns a diarizer: an object with the method `diarize_iter`; see `diarizing`."""
    if isinstance(speakers, Embedder):
        speakers = ClusteringDiarizer(speakers)
    elif not hasattr(speakers, "diarize_iter") and callable(speakers):
        function: Any = speakers
        speakers = FunctionDiarizer(function)
    if not hasattr(speakers, "diarize_iter"):
        given = f"{speakers!r}, a path" if isinstance(speakers, str) else f"a {type(speakers).__name__}"
        raise ConfigError(
            f"speakers is {given}; it must be a diarizer, an Embedder, or a function (samples, rate) -> turns"
        )
    embedder = getattr(speakers, "embedder", None)
    if embedder is None or not embedder.enrolment.names or isinstance(speakers, NamedDiarizer):
        return speakers
    return NamedDiarizer(speakers, embedder)


class FunctionDiarizer:
    """A function that finds turns, as a diarizer.

    Attributes:
      function: (samples, rate) -> (start, end, speaker) of each turn, in seconds.
    """

    def __init__(self, function: Callable[..., Iterable[tuple[float, float, str]]]):
        self.function = function

    def diarize_iter(self, inputs: Any, *, sample_rate: int, on_error: str, **numbers: int) -> Iterator[Diarized]:
        """Yields the turns of each recording."""
        del on_error  # errors are results here
        for name in SPEAKER_NUMBERS:
            if name in numbers:
                raise ConfigError(f"{name}: speakers is a function, which finds as many as it finds")
        return (self._diarized(recording, sample_rate) for recording in find_recordings(inputs))

    def _diarized(self, recording: Recording, rate: int) -> Diarized:
        channel: Any = "mean" if recording.channel is None else recording.channel
        samples = read_recording(recording, sample_rate=rate, channel=channel)
        if isinstance(samples, SpeechError):
            return Diarized(recording.source, 0.0, [], str(samples))
        try:
            turns = [Turn(float(start), float(end), str(name)) for start, end, name in self.function(samples, rate)]
        except Exception as error:
            return Diarized(recording.source, 0.0, [], str(as_speech_error(error, recording.source)))
        return Diarized(recording.source, len(samples) / rate, sorted(turns))
