"""The share of each batch that a process loads: an equal part of its rows."""

from collections.abc import Iterable
from typing import NamedTuple

from jaxspeech.errors import ConfigError


class Share(NamedTuple):
    """One of the equal parts of a batch's rows.

    Attributes:
      part: number of the part, from 0.
      parts: number of parts.
    """

    part: int = 0
    parts: int = 1

    def of(self, rows: int) -> slice:
        """The slice of `rows` rows that belongs to this part."""
        size = rows // self.parts
        return slice(size * self.part, size * (self.part + 1))

    def check(self, sizes: Iterable[int]) -> None:
        """Check that batches of these sizes can be split equally.

        Raises:
          ConfigError: one of them cannot.
        """
        sizes = list(sizes)
        if any(size % self.parts for size in sizes):
            raise ConfigError(f"batches of {sizes} cannot be split between {self.parts} processes")
