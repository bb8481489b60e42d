"""The interface of an evaluation, which computes named scores from the predictions for a set."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

# The fields of a manifest's line, or other information about an example.
Fields = Mapping[str, Any]
# Name of a score -> its value.
Scores = Mapping[str, float]


class Evaluation(NamedTuple):
    """The functions that score the predictions of a task and format the scores.

    Attributes:
      lower_is_better: the direction of the first score, which selects the best model.
      collect: (prediction, batch), as NumPy arrays -> a small result per row, for example a text or a class. Results of
        filler rows are dropped by the caller.
      score: ({example: result}, {example: fields}) -> scores of a whole set by name; none where there is
        nothing to score, which chooses no model.
      show: scores -> a short text, for example "WER 4.34%".
      sample: (result, fields) -> lines about one example, for the console and the logs.
      identity: fields that, together with the durations, identify the set of examples that a score belongs to.
      shares: names of scores that are fractions, which charts show in per cent.
      pair: where results are classes: (result, fields) -> (true class, found class), of which the report shows a table;
        None for an example whose class is not known.
      rates: where pairs of results are compared: ({example: result}, {example: fields}) -> (thresholds, misses, false
        alarms), of which the report shows a curve; None if there are no pairs of both kinds.
      rising: names of scores of which more is better, where less is better of the others.
    """

    lower_is_better: bool
    collect: Callable[[Any, Any], list[Any]]
    score: Callable[[Mapping[int, Any], Mapping[int, Fields]], dict[str, float]]
    show: Callable[[Scores], str]
    sample: Callable[[Any, Fields], str]
    identity: tuple[str, ...] = ()
    shares: tuple[str, ...] = ()
    pair: Callable[[Any, Fields], tuple[str, str] | None] | None = None
    rates: Callable[[Mapping[int, Any], Mapping[int, Fields]], Any] | None = None
    rising: tuple[str, ...] = ()

    def comparable(self, scores: Scores) -> float | None:
        """Converts the first score to a number that is lower for better models; None if it is missing or NaN."""
        name, first = next(iter(scores.items()), ("", None))
        if first is None or first != first:
            return None
        return first if self.lower_is_better and name not in self.rising else -first


def is_better(score: float | None, than: float | None) -> bool:
    """Returns whether a model replaces the best one so far, by comparable scores; one without a score is replaced."""
    return than is None or (score is not None and score < than)
