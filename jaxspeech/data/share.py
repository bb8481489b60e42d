"""This process's share of each batch: an equal part of its rows."""

from collections.abc import Iterable
from typing import NamedTuple

from jaxspeech.errors import ConfigError


class Share(NamedTuple):
    """One of the equal parts of a batch's rows.

    Attributes:
      part: which, counted from 0.
      parts: how many there are.
    """

    part: int = 0
    parts: int = 1

    def of(self, rows: int) -> slice:
        """Which of so many rows."""
        size = rows // self.parts
        return slice(size * self.part, size * (self.part + 1))

    def check(self, sizes: Iterable[int]) -> None:
        """Check that batches of these sizes have equal parts.

        Raises:
          ConfigError: they have not.
        """
        sizes = list(sizes)
        if any(size % self.parts for size in sizes):
            raise ConfigError(f"batches of {sizes} cannot be split between {self.parts} processes")
