"""Runs a diarizer over recordings, one at a time, as they are read."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jaxspeech.errors import SpeechError
from jaxspeech.inference.inputs import Recording, find_recordings
from jaxspeech.inference.results import results_of
from jaxspeech.inference.rows import Row, Strategy, predicted_rows
from jaxspeech.pipelines.diarized import Diarized


def diarized_rows(
    inputs: Any,
    start: Callable[..., Any],
    result: Callable[[Row[Any]], Diarized],
    options: Any,
    *,
    sample_rate: int,
) -> Iterator[Diarized]:
    """Yields who spoke when in each input, in order.

    Args:
      inputs: paths or samples, see `inference.inputs.find_recordings`.
      start: `(shape, audio, recordings)` -> the prediction for one recording, and a note; see `rows.Strategy`.
      result: makes the turns of a prediction.
      options: what `inference.options.wanted` returns for `RowOptions`.
      sample_rate: of the model, in Hz.
    """
    rows = predicted_rows(
        find_recordings(inputs),
        [Strategy(start, alone=True, beside=_recordings)],
        options._replace(batch_size=1),
        sample_rate=sample_rate,
    )
    return results_of(rows, result, _failed, on_error=options.on_error)


def _recordings(recordings: Sequence[Recording], rows: int) -> tuple[Any, ...]:
    """What `start` takes beside the audio."""
    del rows
    return (list(recordings),)


def _failed(row: Row[Any], error: SpeechError) -> Diarized:
    return Diarized(row.recording.source, 0.0, [], str(error))
