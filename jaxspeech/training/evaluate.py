"""Runs a task over evaluation sets and scores the result."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np

from jaxspeech.errors import TrainingError
from jaxspeech.training.coverage import coverage
from jaxspeech.training.processes import gather
from jaxspeech.types import Variables


@runtime_checkable
class EvaluationSet(Protocol):
    """The batches of an evaluation set, whose examples are identified by their `index`."""

    @property
    def num_examples(self) -> int: ...

    def batches(self) -> Iterable[Any]: ...

    def fields(self, index: int, /) -> Mapping[str, Any]: ...


# (prediction, batch) -> a result for each row; ({example: result}, {example: its fields}) -> scores by name.
Collect = Callable[[Any, Any], list[Any]]
Score = Callable[[Mapping[int, Any], Mapping[int, Mapping[str, Any]]], dict[str, float]]


def evaluate(
    predict: Callable[[Variables, Any], Any],
    variables: Variables,
    sets: Mapping[str, EvaluationSet],
    *,
    collect: Collect,
    score: Score,
    put: Callable[[Any], Any] = jax.device_put,
) -> tuple[dict[str, dict[str, float]], dict[str, dict[int, Any]]]:
    """Evaluates a model: computes the result of each example, and the scores of each set.

    Args:
      predict: (variables, batch) -> prediction; should be jitted.
      variables: of the model.
      sets: the evaluation sets by name.
      collect: turns the host arrays of a batch into a small result for each row; see `evaluation.Evaluation`.
      score: computes the scores from the results of a whole set.
      put: moves a batch to the devices; each of several processes moves its own rows, and all get all results.

    Returns:
      {set: {score: value}}, {set: {example: result}} in the order of the examples. The scores of a set of which not all
      examples could be used end with how many of how many they are of (coverage.py).

    Raises:
      TrainingError: no example of a set could be used, so that any score would be one of nothing.
    """
    scores, results = {}, {}
    for name, part in sets.items():
        found = dict(_collected(predict, variables, part.batches(), collect, put))
        results[name] = {index: found[index] for index in sorted(found)}
        if not found:
            raise TrainingError(f"data.eval.{name}: none of its {part.num_examples} examples can be used")
        scores[name] = score(results[name], {index: part.fields(index) for index in results[name]})
        if scores[name]:
            scores[name] |= coverage(len(found), part.num_examples)
    return scores, results


def _collected(
    predict: Callable[[Variables, Any], Any],
    variables: Variables,
    batches: Iterable[Any],
    collect: Collect,
    put: Callable[[Any], Any],
) -> Iterator[tuple[int, Any]]:
    """Yields each example's index and result; the next batch is computed while the previous one is collected."""

    def rows(batch: Any, placed: Any, prediction: Any) -> Iterator[tuple[int, Any]]:
        if jax.process_count() > 1:  # each process has only its own rows
            batch, prediction = gather((placed, prediction))
        else:
            prediction = jax.device_get(prediction)
        for index, result in zip(np.asarray(batch.index).tolist(), collect(prediction, batch), strict=True):
            if index >= 0:
                yield index, result

    running = None
    for batch in batches:
        placed = put(batch)
        started = (batch, placed, predict(variables, placed))
        if running is not None:
            yield from rows(*running)
        running = started
    if running is not None:
        yield from rows(*running)
