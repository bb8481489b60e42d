"""From a run's last evaluation to its page."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jaxspeech.data.loader import EvaluationData
from jaxspeech.report.page import WORST_SHOWN, EvaluatedSet, write_report
from jaxspeech.report.picture import png, spectrogram, with_alignment
from jaxspeech.report.utterance import Recording, Utterance, scored, worst
from jaxspeech.types import Variables

REPORT = "report.html"


def report_run(
    workdir: Path,
    *,
    variables: Variables,
    sets: Mapping[str, EvaluationData],
    heard: Mapping[str, Mapping[int, str]],
    listen: Callable[[Variables, EvaluationData, list[int]], Mapping[int, Recording]],
    facts: Mapping[str, str],
    history: list[dict[str, float | int]],
    settings: Any,
) -> Path:
    """Writes `workdir`/report.html.

    Args:
      workdir: of the run; its name is the title.
      variables: the model that heard `heard`.
      sets: the evaluation sets.
      heard: of each set, what the model heard in each utterance.
      listen: reads and aligns the worst of them again.
      facts, history, settings: as `write_report` takes them.
    """
    evaluated = []
    for name, data in sets.items():
        utterances = {index: _utterance(data, index, text) for index, text in sorted(heard[name].items())}
        shown = {id(utterance) for utterance in worst(list(utterances.values()), WORST_SHOWN)}
        chosen = [index for index, utterance in utterances.items() if id(utterance) in shown]
        found = listen(variables, data, chosen)
        recordings = {utterances[index].name: recording for index, recording in found.items()}
        evaluated.append(EvaluatedSet(name, list(utterances.values()), recordings))
    path = workdir / REPORT
    write_report(path, title=str(workdir), facts=facts, history=history, sets=evaluated, settings=settings)
    return path


def _utterance(data: EvaluationData, index: int, heard: str) -> Utterance:
    entry = data.entry(index)
    return scored(
        name=data.name(index),
        speaker=str(entry.fields.get("speaker") or ""),
        seconds=entry.duration,
        said=entry.fields.get("text", ""),
        heard=heard,
    )


def alignment_png(recording: Recording) -> bytes:
    """The spectrogram with a band that shows where each token was heard."""
    seconds = len(recording.samples) / recording.sample_rate
    spans = [(piece.start, piece.end) for piece in recording.pieces]
    return png(with_alignment(spectrogram(recording.features), spans, seconds=seconds))
