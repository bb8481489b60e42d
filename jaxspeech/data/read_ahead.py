"""Loads batches in Grain's threads before they are needed."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import grain

from jaxspeech.errors import SpeechError

B = TypeVar("B")


def read_ahead(load: Callable[[int], B], steps: range, *, num_threads: int) -> Iterator[B]:
    """Yield `map(load, steps)` in order, loading a few at a time; a SpeechError is raised in place of its batch."""

    def attempt(step: int) -> B | SpeechError:
        try:
            return load(step)
        except SpeechError as error:
            return error  # raised below, as Grain would add lines to the message

    options = grain.ReadOptions(num_threads=num_threads, prefetch_buffer_size=2 * num_threads)
    for batch in grain.MapDataset.source(steps).map(attempt).to_iter_dataset(options):
        if isinstance(batch, SpeechError):
            raise batch
        yield batch
