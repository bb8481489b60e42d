"""Logs every evaluation of a run (examples, pictures, histograms) and writes the final report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxspeech.data.batches import EvaluationBatches
from jaxspeech.evaluation.evaluation import Evaluation
from jaxspeech.report.page import EvaluatedSet, write_report
from jaxspeech.report.view import View
from jaxspeech.training.metrics_log import MetricsLog
from jaxspeech.types import Variables

REPORT = "report.html"
# The number of examples of each set whose results and pictures are logged.
SHOWN = 2

# {set: {example: result}}
Results = Mapping[str, Mapping[int, Any]]


class EvaluationLog:
    """Logs the evaluations of a run, and reports the last one.

    Args:
      metrics: the log to write to.
      sets: the evaluation sets.
      evaluation: formats their results.
      view: shows their examples.
      histograms: whether to log histograms of all parameters too.
    """

    def __init__(
        self,
        metrics: MetricsLog,
        sets: Mapping[str, EvaluationBatches[Any]],
        evaluation: Evaluation,
        view: View,
        *,
        histograms: bool = False,
    ):
        self._metrics = metrics
        self._sets = sets
        self._evaluation = evaluation
        self._view = view
        self._histograms = histograms

    def scores(self, scores: Mapping[str, Mapping[str, float]], step: int) -> None:
        """Logs each score as a group, with a scalar for each set."""
        for name in dict.fromkeys(name for found in scores.values() for name in found):
            self._metrics.scalars(name, {part: found[name] for part, found in scores.items() if name in found}, step)

    def words(self, scores: Mapping[str, Mapping[str, float]]) -> str:
        """Formats the scores of all sets."""
        return ", ".join(f"{self._evaluation.show(found)} on {name}" for name, found in scores.items())

    def samples(self, results: Results) -> str:
        """Formats a few examples, in one or more lines each."""
        return "".join(
            f"\n{self._evaluation.sample(results[name][index], data.fields(index))}"
            for name, data in self._sets.items()
            for index in sorted(results[name])[:SHOWN]
        )

    def evaluated(
        self, variables: Variables, scores: Mapping[str, Mapping[str, float]], results: Results, step: int
    ) -> None:
        """Logs an evaluation: its scores, a few examples in words and pictures, histograms."""
        self.scores(scores, step)
        for name, data in self._sets.items():
            chosen = sorted(results[name])[:SHOWN]
            for index, png in self._view.pictures(variables, data, chosen).items():
                self._metrics.picture(f"{name}/{index}", png, step)
            for index in chosen:
                lines = self._evaluation.sample(results[name][index], data.fields(index))
                self._metrics.words(f"{name}/{index}", _as_code(lines), step)
        if self._histograms:
            self._metrics.histograms("parameters", variables["params"], step)

    def report(
        self,
        workdir: Path,
        variables: Variables,
        scores: Mapping[str, Mapping[str, float]],
        results: Results,
        *,
        facts: Mapping[str, str],
        settings: Any,
    ) -> None:
        """Writes `workdir`/report.html about the last evaluation."""
        sets = [
            EvaluatedSet(name, self._evaluation.show(scores[name]), self._view.section(variables, data, results[name]))
            for name, data in self._sets.items()
        ]
        write_report(
            workdir / REPORT,
            title=str(workdir),
            facts=facts,
            history=self._metrics.history,
            sets=sets,
            settings=settings,
            shares=self._evaluation.shares,
        )


def _as_code(text: str) -> str:
    """Indents untrusted text, so that Markdown does not interpret it."""
    return "\n".join("    " + " ".join(line.split()) for line in text.split("\n"))
