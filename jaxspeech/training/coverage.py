"""States how many of a set's examples a score is of, wherever it is not of all."""

from collections.abc import Mapping
from typing import Any, TypeVar

# Names under which the numbers stand after the scores of a set: examples that were scored, and examples in the set.
COVERAGE = ("num_examples", "num_in_set")

E = TypeVar("E")


def coverage(found: int, total: int) -> dict[str, float]:
    """Returns the numbers to add to the scores of a set; none if they are of all."""
    return dict(zip(COVERAGE, (float(found), float(total)), strict=True)) if found < total else {}


def same_coverage(scores: Mapping[str, int | float], others: Mapping[str, float]) -> bool:
    """Whether two scores of the same set are of equally many of its examples."""
    return all(scores.get(name) == others.get(name) for name in COVERAGE)


def with_coverage(evaluation: E) -> E:
    """Returns the evaluation, a NamedTuple whose `show` adds these numbers: "accuracy 96% (5 of 6 examples)"."""
    of_task: Any = evaluation

    def show(scores: Mapping[str, int | float]) -> str:
        found, total = (scores.get(name) for name in COVERAGE)
        return of_task.show(scores) + (f" ({found:g} of {total:g} examples)" if total else "")

    return of_task._replace(show=show)
