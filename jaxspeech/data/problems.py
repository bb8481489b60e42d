"""Collects unusable examples: reports each once, counts them, and stops the run above a limit."""

import threading
from collections.abc import Callable

from absl import logging

from jaxspeech.errors import ManifestError

# Further problems are only counted, to keep the log short.
MOST_REPORTED = 20


class Problems:
    """Unusable examples, collected from any thread.

    Attributes:
      max_share: share of all examples that may be unusable.
      max_few: number of examples that may be unusable even in a small set.
    """

    def __init__(
        self,
        *,
        max_share: float = 0.05,
        max_few: int = 10,
        report: Callable[[str], None] = logging.warning,
    ):
        self.max_share = max_share
        self.max_few = max_few
        self._report = report
        self._reasons: dict[str, str] = {}
        self._lock = threading.Lock()

    def add(self, where: str, why: str) -> None:
        """Count and report the problem at `where` (a file or a line), once however often it occurs."""
        with self._lock:
            if where in self._reasons:
                return
            self._reasons[where] = _describe(where, why)
            count = len(self._reasons)
        if count <= MOST_REPORTED:
            self._report(f"skipped {self._reasons[where]}")
        if count == MOST_REPORTED:
            self._report("further unusable examples are counted, but not listed")

    def check(self, total: int) -> None:
        """Stop when too many of `total` examples are unusable.

        Raises:
          ManifestError: states the number, the limit, and the last problem.
        """
        lines = self.lines
        if len(lines) > max(self.max_few, self.max_share * total):
            limit = f"the limit is {self.max_share:.0%}, or {self.max_few} in a small set"
            raise ManifestError(f"{len(lines)} of {total} examples are unusable ({limit}); the last: {lines[-1]}")

    def __len__(self) -> int:
        return len(self._reasons)

    @property
    def lines(self) -> tuple[str, ...]:
        """Every problem as "where: why", in order of occurrence."""
        with self._lock:
            return tuple(self._reasons.values())


def _describe(where: str, why: str) -> str:
    """Format a problem as one line; no prefix where the reason already names its place (or its tar and member)."""
    tar, _, member = where.rpartition(":")
    named = why.startswith(where) or (why.startswith(f"{tar}: ") and member in why)
    return why if named else f"{where}: {why}"
