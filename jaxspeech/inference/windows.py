"""Cuts a long recording into overlapping windows, and joins what a model makes of them by cross-fades.

    window k       |----------chunk----------|
    window k + 1                      |--o--|-----------...
    weights                            \\/                         of the middle half of the overlap o; elsewhere 0 or 1

Both windows estimate the same samples, so that their weights add up to 1. The outer quarters of an overlap, where a
window knows little of what is beside it, are not used.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Cut(NamedTuple):
    """Lengths in samples: of a window, and of what two windows share; at most half of a window."""

    chunk: int
    overlap: int

    @property
    def hop(self) -> int:
        """From the start of a window to that of the next."""
        return self.chunk - self.overlap


class Window(NamedTuple):
    """A part of a recording.

    Attributes:
      start: its place, in samples.
      samples: its samples; the last window may be shorter than the others, but is longer than an overlap unless it is
        the only one.
      last: whether the recording ends with it.
    """

    start: int
    samples: Float[np.ndarray, "C S"]
    last: bool


def cut_windows(blocks: Iterator[Float[np.ndarray, "C S"]], cut: Cut) -> Iterator[Window]:
    """Yields the windows of a recording that comes in blocks of any length."""
    start, held = 0, next(blocks)
    while True:
        while held.shape[1] > cut.chunk:
            yield Window(start, held[:, : cut.chunk], False)
            start, held = start + cut.hop, held[:, cut.hop :]
        block = next(blocks, None)
        if block is None:
            break
        held = np.concatenate([held, block], axis=1)
    yield Window(start, held, True)


class Joiner:
    """Joins windows; takes them in order."""

    def __init__(self, cut: Cut):
        self._cut = cut
        quarter = cut.overlap // 4
        self._rising = np.clip((np.arange(cut.overlap) - quarter + 0.5) / max(cut.overlap - 2 * quarter, 1), 0, 1)
        self._rising = self._rising.astype(np.float32)
        self._tail: Float[np.ndarray, "C S"] | None = None

    def add(self, found: Float[np.ndarray, "C S"], *, last: bool) -> Float[np.ndarray, "C R"]:
        """Takes what was made of the next window, and returns the samples that are now complete."""
        if self._tail is not None:
            shared = self._cut.overlap
            faded = self._tail + self._rising * (found[:, :shared] - self._tail)
            found = np.concatenate([faded, found[:, shared:]], axis=1)
        if last:
            return found
        self._tail = found[:, self._cut.hop :]
        return found[:, : self._cut.hop]
