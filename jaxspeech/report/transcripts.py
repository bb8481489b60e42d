"""Shows the transcripts of a run's evaluation, with pictures of what was recognised where."""

from collections.abc import Mapping

import jax

from jaxspeech.data.loader import EvaluationData
from jaxspeech.evaluation.word_error_rate import reference
from jaxspeech.report.errors import WORST_SHOWN, errors_section
from jaxspeech.report.picture import png, spectrogram, with_alignment
from jaxspeech.report.replay import Replay
from jaxspeech.report.utterance import ReplayedAudio, Utterance, scored, worst
from jaxspeech.text.token_languages import line_language
from jaxspeech.types import Variables


class TranscriptView:
    """Shows transcripts next to their references.

    Args:
      replay: reads and aligns utterances again.
    """

    def __init__(self, replay: Replay):
        self._replay = replay

    def pictures(self, variables: Variables, data: EvaluationData, indices: list[int]) -> dict[int, bytes]:
        """Spectrograms with the tokens below them."""
        return {index: alignment_png(audio) for index, audio in self._replayed(variables, data, indices).items()}

    def section(self, variables: Variables, data: EvaluationData, results: Mapping[int, str]) -> str:
        utterances = {index: _utterance(data, index, text) for index, text in sorted(results.items())}
        shown = {id(utterance) for utterance in worst(list(utterances.values()), WORST_SHOWN)}
        chosen = [index for index, utterance in utterances.items() if id(utterance) in shown]
        replayed = self._replayed(variables, data, chosen)
        audio = {utterances[index].name: found for index, found in replayed.items()}
        return errors_section(list(utterances.values()), audio)

    def _replayed(self, variables: Variables, data: EvaluationData, indices: list[int]) -> dict[int, ReplayedAudio]:
        # With several processes, none holds the rows of the others.
        return self._replay(variables, data, indices) if jax.process_count() == 1 else {}


def _utterance(data: EvaluationData, index: int, heard: str) -> Utterance:
    entry = data.entry(index)
    return scored(
        name=data.name(index),
        speaker=str(entry.fields.get("speaker") or ""),
        seconds=entry.duration,
        said=reference(entry.fields),
        heard=heard,
        language=line_language(entry.fields.get("lang")),
    )


def alignment_png(audio: ReplayedAudio) -> bytes:
    """The spectrogram as a PNG file, with a band that shows where each token was recognised."""
    seconds = len(audio.samples) / audio.sample_rate
    spans = [(piece.start, piece.end) for piece in audio.pieces]
    return png(with_alignment(spectrogram(audio.features), spans, seconds=seconds))
