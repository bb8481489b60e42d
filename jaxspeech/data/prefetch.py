"""Puts batches on the devices before they are needed."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from jaxspeech.types import B


def prefetch(batches: Iterable[B], put: Callable[[B], B], *, ahead: int = 2) -> Iterator[B]:
    """Yield `map(put, batches)`, with `put` called `ahead` batches early, so that copies overlap with computation.

    Args:
      batches: batches of NumPy arrays.
      put: starts the copy to the devices and returns at once, as `jax.device_put` does.
      ahead: number of batches waiting on the devices.
    """
    waiting: deque[B] = deque()
    for batch in batches:
        waiting.append(put(batch))
        if len(waiting) > ahead:
            yield waiting.popleft()
    yield from waiting


def begun(batches: Iterator[B]) -> Iterator[B]:
    """Takes the first batch now; returns all of them."""
    return itertools.chain(list(itertools.islice(batches, 1)), batches)
