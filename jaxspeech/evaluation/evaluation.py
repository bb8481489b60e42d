"""The contract of an evaluation: from the predictions of a set to named scores."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

# The fields of a manifest's line, or what else is known of an example.
Fields = Mapping[str, Any]
# By the name of the score.
Scores = Mapping[str, float]


class Evaluation(NamedTuple):
    """How the predictions of a task are scored, and what people see of that.

    Attributes:
      lower_is_better: the direction of the first score, which chooses the best model.
      collect: (prediction, batch), as NumPy arrays -> a small result for each row, such as a text or a class. Filler
        rows have one too; it is dropped.
      score: ({example: result}, {example: fields}) -> scores of a whole set by name, the same names for every set.
      show: scores -> a few words, such as "WER 4.34%".
      sample: (result, fields) -> lines about one example, for the console and the logs.
      identity: fields that say, with the durations, which set of examples a score belongs to.
      shares: scores that are shares of 1, which charts show in per cent.
    """

    lower_is_better: bool
    collect: Callable[[Any, Any], list[Any]]
    score: Callable[[Mapping[int, Any], Mapping[int, Fields]], dict[str, float]]
    show: Callable[[Scores], str]
    sample: Callable[[Any, Fields], str]
    identity: tuple[str, ...] = ()
    shares: tuple[str, ...] = ()

    def comparable(self, scores: Scores) -> float | None:
        """A number that is lower for better models, of the first score; None where there is none, or it is NaN."""
        first = next(iter(scores.values()), None)
        if first is None or first != first:
            return None
        return first if self.lower_is_better else -first


def is_better(score: float | None, than: float | None) -> bool:
    """Whether a model replaces the best one so far, by their comparable scores; one without a score never stays."""
    return than is None or (score is not None and score < than)
