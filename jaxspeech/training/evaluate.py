"""Greedy predictions over a set, by any task."""

from collections.abc import Callable, Iterable
from typing import Any

import jax

from jaxspeech.training.processes import gather
from jaxspeech.types import Batch, Variables


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
