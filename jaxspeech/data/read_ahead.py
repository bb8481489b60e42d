"""Batches loaded before they are asked for, by Grain's threads."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import grain

from jaxspeech.errors import SpeechError

B = TypeVar("B")


def read_ahead(load: Callable[[int], B], steps: range, *, num_threads: int) -> Iterator[B]:
    """`map(load, steps)`, in order, a few of them at a time; a SpeechError is raised where its batch would be."""

    def attempt(step: int) -> B | SpeechError:
        try:
            return load(step)
        except SpeechError as error:
            return error  # raised below: Grain would add lines of its own to the message

    options = grain.ReadOptions(num_threads=num_threads, prefetch_buffer_size=2 * num_threads)
    for batch in grain.MapDataset.source(steps).map(attempt).to_iter_dataset(options):
        if isinstance(batch, SpeechError):
            raise batch
        yield batch
