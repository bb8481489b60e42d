"""Collects unusable examples: reports each once, counts them, and stops the run where too little is left."""

import re
import threading
from collections import Counter
from collections.abc import Callable

from absl import logging

from jaxspeech.errors import ManifestError

# Further problems are only counted, to keep the log short.
MOST_REPORTED = 20
# More than this share of the examples may never be unusable, however few they are.
MOST_SHARE = 0.75
# If so many loads in a row fail from the start, the run stops without waiting for the rest of a large set.
MOST_FAILED_LOADS = 256

_VARYING = re.compile(r"\d+(\.\d+)?|'[^']*'|\"[^\"]*\"")


class Problems:
    """Unusable examples, collected from any thread.

    Attributes:
      max_share: share of all examples that may be unusable.
      max_few: number of examples that may be unusable even in a small set, up to three quarters of it.
      name: what the examples are of, for messages: "data.train".
    """

    def __init__(
        self,
        *,
        max_share: float = 0.05,
        max_few: int = 10,
        name: str = "",
        report: Callable[[str], None] = logging.warning,
    ):
        self.max_share = max_share
        self.max_few = max_few
        self.name = name
        self._report = report
        self._reasons: dict[str, str] = {}
        self._kinds: Counter[str] = Counter()
        self._firsts: dict[str, str] = {}
        self._loaded = False
        self._failed_loads = 0
        self._lock = threading.Lock()

    def add(self, where: str, why: str) -> None:
        """Count and report the problem at `where` (a file or a line), once however often it occurs."""
        with self._lock:
            if where in self._reasons:
                return
            self._reasons[where] = line = _describe(where, why)
            count = len(self._reasons)
            kind = _kind(where, why)
            self._kinds[kind] += 1
            self._firsts.setdefault(kind, line)
        if count <= MOST_REPORTED:
            self._report(f"skipped {line}")
        if count == MOST_REPORTED:
            self._report("further unusable examples are counted, but not listed")

    def check(self, total: int) -> None:
        """Stop when too many of `total` examples are unusable: more than three quarters, or more than the limits.

        Raises:
          ManifestError: states the number, the limit, the commonest reason and one place where it was found.
        """
        count = len(self)
        if count > max(self.max_few, self.max_share * total):
            limit = f"the limit is {self.max_share:.0%}, or {self.max_few} in a small set"
        elif count > MOST_SHARE * total:
            limit = f"the limit in a small set is {MOST_SHARE:.0%}"
        else:
            return
        raise ManifestError(f"{self._of()}{count} of {total} examples are unusable ({limit}); {self.commonest}")

    def check_tried(self, bad: int, tried: int) -> None:
        """Stop when more than three quarters of the examples that were tried before the first step are unusable.

        Raises:
          ManifestError: states the numbers, the commonest reason and one place where it was found.
        """
        if bad > MOST_SHARE * tried:
            raise ManifestError(
                f"{self._of()}{bad} of {tried} examples, read before the first step, are unusable; {self.commonest}"
            )

    def loaded(self) -> None:
        """Note that an example was loaded."""
        self._loaded = True

    def failed(self, total: int) -> None:
        """Note that an example could not be loaded, as `add` has reported, and stop where none ever could.

        Examples count as often as they are loaded, so that each of several processes, which load parts of an epoch,
        finds by itself that nothing is usable.

        Raises:
          ManifestError: see `check`; or as many loads as there are examples failed, and none succeeded.
        """
        self.check(total)
        with self._lock:
            self._failed_loads += 1
            nothing = not self._loaded and self._failed_loads >= min(total, MOST_FAILED_LOADS)
        if nothing:
            raise ManifestError(
                f"{self._of()}none of the first {len(self)} of {total} examples is usable; {self.commonest}"
            )

    def __len__(self) -> int:
        return len(self._reasons)

    @property
    def lines(self) -> tuple[str, ...]:
        """Every problem as "where: why", in order of occurrence."""
        with self._lock:
            return tuple(self._reasons.values())

    @property
    def commonest(self) -> str:
        """The commonest reason, by the first problem that has it, and how often it was found."""
        with self._lock:
            if not self._kinds:
                return "no reason was found"
            [(kind, count)] = self._kinds.most_common(1)
            return f"most often, {count} times: {self._firsts[kind]}" if count > 1 else self._firsts[kind]

    def _of(self) -> str:
        return f"{self.name}: " if self.name else ""


def _describe(where: str, why: str) -> str:
    """Format a problem as one line; no prefix where the reason already names its place (or its tar and member)."""
    tar, _, member = where.rpartition(":")
    named = why.startswith(where) or (why.startswith(f"{tar}: ") and member in why)
    return why if named else f"{where}: {why}"


def _kind(where: str, why: str) -> str:
    """The reason without what differs between examples: its place, numbers, and what is quoted."""
    for name in (where, *where.split(" at ")[:1], where.rpartition(":")[0], where.rpartition(":")[2]):
        why = why.replace(name, "") if name else why
    return _VARYING.sub("#", why)
