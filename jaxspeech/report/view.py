"""The protocol for showing the examples of an evaluated set, and a plain view for tasks without their own."""

import html
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from jaxspeech.data.batches import EvaluationBatches
from jaxspeech.evaluation.evaluation import Evaluation
from jaxspeech.report.confusion import confusion_table
from jaxspeech.report.det import det_curve
from jaxspeech.types import Variables

# The number of examples that a plain view shows of each set.
SHOWN = 20


@runtime_checkable
class View(Protocol):
    """Shows the examples of an evaluated set; `results` are what `Evaluation.collect` made of them."""

    def pictures(self, variables: Variables, data: Any, indices: list[int], /) -> dict[int, bytes]:
        """PNG files of some examples, for TensorBoard; those that cannot be read are left out."""
        ...

    def section(self, variables: Variables, data: Any, results: Mapping[int, Any], /) -> str:
        """HTML about the whole set, escaped, for the report."""
        ...


class PlainView:
    """Shows a few examples as lines of text; where results are classes, mistakes first, below a table of all.

    Where results are compared in pairs, a curve of the error rates comes first.

    Args:
      evaluation: formats the lines.
    """

    def __init__(self, evaluation: Evaluation):
        self._evaluation = evaluation

    def pictures(self, variables: Variables, data: EvaluationBatches[Any], indices: list[int]) -> dict[int, bytes]:
        return {}

    def section(self, variables: Variables, data: EvaluationBatches[Any], results: Mapping[int, Any]) -> str:
        chosen, table = sorted(results), ""
        if self._evaluation.rates is not None:
            rates = self._evaluation.rates(results, {index: data.fields(index) for index in chosen})
            table = "" if rates is None else det_curve(rates)
        if self._evaluation.pair is not None:
            pairs = {index: self._evaluation.pair(results[index], data.fields(index)) for index in chosen}
            chosen.sort(key=lambda index: (pair := pairs[index]) is None or pair[0] == pair[1])
            table = confusion_table(pairs.values())
        shown = [
            f"<article><header><b>{html.escape(data.name(index))}</b></header>"
            f"<pre>{html.escape(self._evaluation.sample(results[index], data.fields(index)))}</pre></article>"
            for index in chosen[:SHOWN]
        ]
        return f'<p>{len(results)} examples.</p>{table}<div class="cards">{"".join(shown)}</div>'
