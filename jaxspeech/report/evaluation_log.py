"""A run as it goes: after each evaluation what was heard, pictures of it and histograms; at the end the page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from jaxspeech.data.loader import EvaluationData
from jaxspeech.report.replay import Replay
from jaxspeech.report.run import alignment_png, report_run
from jaxspeech.training.metrics_log import MetricsLog
from jaxspeech.types import Variables

# Of each set, the utterances whose transcripts and pictures are kept.
SHOWN = 2

# Of each set, what was heard in each utterance.
Heard = Mapping[str, Mapping[int, str]]


class EvaluationLog:
    """What is seen of the evaluations of a run.

    Args:
      board: where it is kept.
      sets: the evaluation sets.
      listen: reads and aligns utterances again.
      histograms: whether those of all parameters are kept, too.
    """

    def __init__(
        self, board: MetricsLog, sets: Mapping[str, EvaluationData], listen: Replay, *, histograms: bool = False
    ):
        self._board = board
        self._sets = sets
        self._listen = listen
        self._histograms = histograms

    def samples(self, heard: Heard) -> str:
        """A few lines of what was said and what was heard."""
        lines = []
        for name, data in self._sets.items():
            for index in sorted(heard[name])[:SHOWN]:
                lines.append(f"\n  said:  {data.fields(index)['text']}\n  heard: {heard[name][index]}")
        return "".join(lines)

    def evaluated(self, variables: Variables, heard: Heard, step: int) -> None:
        """Adds to TensorBoard: transcripts, spectrograms with the tokens below them, histograms."""
        for name, data in self._sets.items():
            chosen = sorted(heard[name])[:SHOWN]
            for index, recording in self._pictured(variables, data, chosen).items():
                self._board.picture(f"{name}/{index}", alignment_png(recording), step)
            for index in chosen:
                said, got = (_as_code(text) for text in (data.fields(index)["text"], heard[name][index]))
                self._board.text(f"{name}/{index}", f"said:\n\n{said}\n\nheard:\n\n{got}", step)
        if self._histograms:
            self._board.histograms("parameters", variables["params"], step)

    def report(
        self, workdir: Path, variables: Variables, heard: Heard, *, facts: Mapping[str, str], settings: Any
    ) -> Path:
        """Writes the page about the last evaluation; returns where."""
        return report_run(
            workdir,
            variables=variables,
            sets=self._sets,
            heard=heard,
            listen=self._pictured,
            facts=facts,
            history=self._board.history,
            settings=settings,
        )

    def _pictured(self, variables: Variables, data: EvaluationData, indices: list[int]) -> dict:
        # One process does not hold the rows of the others.
        return self._listen(variables, data, indices) if jax.process_count() == 1 else {}


def _as_code(text: str) -> str:
    """Text from elsewhere, so that Markdown does not interpret it."""
    return "    " + " ".join(text.split())
