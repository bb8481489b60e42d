"""Greedy predictions over sets, by any task, and their error rates."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import jax

from jaxspeech.training.processes import gather
from jaxspeech.types import Batch, Variables


@runtime_checkable
class EvaluationSet(Protocol):
    """Batches of utterances whose fields, "text" among them, are known by their `Batch.index`."""

    def batches(self) -> Iterable[Batch]: ...

    def fields(self, index: int, /) -> dict[str, Any]: ...


def evaluate(
    predict: Callable[[Variables, Batch], Any],
    variables: Variables,
    sets: Mapping[str, EvaluationSet],
    *,
    decode: Callable[[Sequence[int]], str],
    error_rate: Callable[[list[str], list[str]], float],
    put: Callable[[Batch], Batch] = jax.device_put,
) -> tuple[dict[str, float], dict[str, dict[int, str]]]:
    """The error rate on each set, and what was heard in each of its utterances.

    Args:
      predict, variables, put: as `predict_all` takes them.
      sets: by name.
      decode: token ids to text.
      error_rate: (what was said, what was heard) -> rate over a whole set.
    """
    rates, heard = {}, {}
    for name, part in sets.items():
        found = predict_all(predict, variables, part.batches(), put=put)
        heard[name] = {index: decode(found[index]) for index in sorted(found)}
        rates[name] = error_rate([part.fields(index)["text"] for index in heard[name]], list(heard[name].values()))
    return rates, heard


def predict_all(
    predict: Callable[[Variables, Batch], Any],
    variables: Variables,
    batches: Iterable[Batch],
    *,
    put: Callable[[Batch], Batch] = jax.device_put,
) -> dict[int, list[int]]:
    """The token ids of every utterance, by its index in the set; filler rows are left out.

    Args:
      predict: (variables, batch) -> Tokens; give it jitted.
      variables: the model's.
      batches: of NumPy arrays.
      put: moves a batch to the devices; of several processes, each its own rows. All of them get all predictions.
    """
    tokens: dict[int, list[int]] = {}

    def collect(batch: Batch, found: Any) -> None:
        ids, counts, indices = gather((found.ids, found.num_tokens, batch.index))
        for row, index in enumerate(indices):
            if index >= 0:
                tokens[int(index)] = ids[row, : counts[row]].tolist()

    running = None
    for batch in batches:
        placed = put(batch)
        started = (placed, predict(variables, placed))
        if running is not None:
            collect(*running)  # while the devices work on the batch just started
        running = started
    if running is not None:
        collect(*running)
    return tokens
