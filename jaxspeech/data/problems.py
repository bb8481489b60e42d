"""What could not be used: each named once, all of them counted, and a limit that stops the run."""

import threading
from collections.abc import Callable

from absl import logging

from jaxspeech.errors import ManifestError

# Beyond this many, problems are only counted: a log of a million lines helps nobody.
MOST_REPORTED = 20


class Problems:
    """Unusable examples, collected from any thread.

    Attributes:
      max_share: share of all examples that may be unusable.
      max_few: this many are forgiven however small the set is.
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
        """Count and name the problem at `where` (a file, a line), once however often it is met."""
        with self._lock:
            if where in self._reasons:
                return
            self._reasons[where] = _describe(where, why)
            count = len(self._reasons)
        if count <= MOST_REPORTED:
            self._report(f"skipped {self._reasons[where]}")
        if count == MOST_REPORTED:
            self._report("further unusable examples are counted, not named")

    def check(self, total: int) -> None:
        """Stop when too many of `total` examples are unusable.

        Raises:
          ManifestError: how many, the limit, and the last of them.
        """
        lines = self.lines
        if len(lines) > max(self.max_few, self.max_share * total):
            limit = f"at most {self.max_share:.0%}, or {self.max_few} of a small set, may be"
            raise ManifestError(f"{len(lines)} of {total} examples are unusable ({limit}); the last: {lines[-1]}")

    def __len__(self) -> int:
        return len(self._reasons)

    @property
    def lines(self) -> tuple[str, ...]:
        """Every problem as "where: why", in the order in which they were met."""
        with self._lock:
            return tuple(self._reasons.values())


def _describe(where: str, why: str) -> str:
    """One line; a reason that begins with its place already, or with the tar and names the member, is not prefixed."""
    tar, _, member = where.rpartition(":")
    told = why.startswith(where) or (why.startswith(f"{tar}: ") and member in why)
    return why if told else f"{where}: {why}"
