"""The lines of manifests, each read from its file when it is needed."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np
from jaxtyping import Int

from jaxspeech.runtime.platform import read_at


@dataclass(frozen=True)
class StoredLines:
    """Where the lines are.

    Attributes:
      files: the opened manifests.
      sources: the manifest of each line, by its number in `files`.
      starts, sizes: position and size of each line, in bytes.
    """

    files: Sequence[io.IOBase]
    sources: Int[np.ndarray, " N"]
    starts: Int[np.ndarray, " N"]
    sizes: Int[np.ndarray, " N"]

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: SupportsIndex) -> bytes:
        return read_at(self.files[int(self.sources[index])], int(self.sizes[index]), int(self.starts[index]))

    def take(self, chosen: Any) -> "StoredLines":
        """Only these lines, given by their numbers, in their order, or by a mask."""
        return StoredLines(self.files, self.sources[chosen], self.starts[chosen], self.sizes[chosen])

    def read(self, places: Int[np.ndarray, " P"]) -> Iterator[bytes]:
        """Yield these lines; adjacent lines of a file are read together."""
        sources, starts, sizes = self.sources[places], self.starts[places], self.sizes[places].astype(np.int64)
        neighbours = (np.diff(starts) == sizes[:-1]) & (np.diff(sources) == 0)
        runs = np.concatenate([[0], np.flatnonzero(~neighbours) + 1, [len(places)]])
        for first, last in zip(runs[:-1].tolist(), runs[1:].tolist(), strict=True):
            begin, total = int(starts[first]), int(sizes[first:last].sum())
            data = read_at(self.files[int(sources[first])], total, begin)
            ends = np.cumsum(sizes[first:last])
            yield from (data[e - s : e] for s, e in zip(sizes[first:last].tolist(), ends.tolist(), strict=True))
