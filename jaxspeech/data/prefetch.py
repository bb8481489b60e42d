"""Batches put on the devices before they are asked for."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from jaxspeech.types import B


def prefetch(batches: Iterable[B], put: Callable[[B], B], *, ahead: int = 2) -> Iterator[B]:
    """`map(put, batches)`, but `ahead` batches early: copies to a device run while it computes.

    Args:
      batches: of NumPy arrays.
      put: starts the copy and returns at once, as `jax.device_put` does.
      ahead: batches waiting on the devices.
    """
    waiting: deque[B] = deque()
    for batch in batches:
        waiting.append(put(batch))
        if len(waiting) > ahead:
            yield waiting.popleft()
    yield from waiting
