"""Recordings and lines of text in one set of examples, for training that mixes them in any share."""

import copy
import math
import operator
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import SupportsIndex

import numpy as np
from jaxtyping import Float

from jaxspeech.data.entry import Entry
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.problems import Problems
from jaxspeech.data.text_lines import TextLines
from jaxspeech.errors import ConfigError
from jaxspeech.manifest_lines import parse_line


class MixedExamples:
    """The recordings of a manifest, followed by lines of text; an `ExampleSet`.

    Attributes:
      recordings: the manifest; None: there are none.
      texts_to_speak: the lines of text.
      durations: seconds of each example; those of the lines are 0 until they are estimated (`timed`).
      weights: how often an epoch shows each example.
      kept: number of each example among all recordings and lines.
    """

    def __init__(self, recordings: Manifest | None, lines: TextLines, *, share: float, problems: Problems):
        """Put them together.

        Args:
          recordings: the manifest, if there is one.
          lines: the lines of text.
          share: of the lines among the examples that are shown; an epoch shows every recording as often as without
            them, and as many lines as that takes. 1, or no recordings: lines alone.
          problems: collects the recordings that cannot be used.

        Raises:
          ConfigError: the share is not above 0 and at most 1.
        """
        if not 0 < share <= 1:
            raise ConfigError(f"text.share is {share:g}; it is the share of text, above 0 and at most 1")
        self.recordings = recordings if share < 1 else None
        self.texts_to_speak = lines
        self.problems = problems
        heard = np.zeros(0) if self.recordings is None else self.recordings.weights
        factor = 1.0 if self.recordings is None else share / (1 - share) * heard.sum() / lines.weights.sum()
        self.weights: Float[np.ndarray, " N"] = np.concatenate([heard, factor * lines.weights])
        seconds = np.zeros(0) if self.recordings is None else self.recordings.durations
        self.durations: Float[np.ndarray, " N"] = np.concatenate([seconds, np.zeros(len(lines))])
        self.kept = np.arange(len(self.durations))

    @property
    def first_line(self) -> int:
        """The number of recordings before any example was left out: kept numbers from it on are lines of text."""
        return 0 if self.recordings is None else len(self.recordings)

    @property
    def shards(self) -> np.ndarray | None:
        """The number of each example's tar; -1 for lines of text."""
        if self.recordings is None or self.recordings.shards is None:
            return None
        return np.concatenate([self.recordings.shards, np.full(len(self.texts_to_speak), -1)])[self.kept]

    @property
    def num_candidates(self) -> int:
        """Number of all examples, those that could not be used included."""
        return (0 if self.recordings is None else self.recordings.num_candidates) + len(self.texts_to_speak)

    @property
    def content(self) -> str:
        """Describes the content of the manifests and of the texts."""
        lines = f"{len(self.texts_to_speak)} texts, checksum {self.texts_to_speak.checksum:08x}"
        return lines if self.recordings is None else f"{self.recordings.content}; {lines}"

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, index: SupportsIndex) -> Entry:
        number = self._number(index)
        if number >= 0:
            path = Path(self.texts_to_speak.name(number))
            return Entry(path, 0.0, float(self.durations[index]), self.texts_to_speak.fields(number))
        assert self.recordings is not None
        return self.recordings[int(self.kept[index])]

    def __iter__(self) -> Iterator[Entry]:
        return (self[index] for index in range(len(self)))

    def line(self, index: SupportsIndex) -> int:
        """The number of an example among the lines of text; -1 for a recording."""
        return max(self._number(index), -1)

    def lines(self, *, at_most: int | None = None) -> Iterator[bytes]:
        """Yield the line of each example or, with `at_most`, of no more than this many, evenly spaced."""
        chosen = len(self) if at_most is None else min(at_most, len(self))
        numbers = self.kept[np.arange(chosen) * len(self) // max(chosen, 1)]
        if self.recordings is not None:
            yield from self.recordings.take(numbers[numbers < self.first_line]).lines()
        yield from (self.texts_to_speak.line(int(n - self.first_line)) for n in numbers if n >= self.first_line)

    def texts(self, field: str = "text", *, at_most: int | None = None) -> Iterator[str]:
        """Yield the value of a field in each example, or in at most `at_most` of them; "" where a line lacks it."""
        return (parse_line(line).get(field, "") for line in self.lines(at_most=at_most))

    def take(self, indices: np.ndarray) -> "MixedExamples":
        """The same with only these examples, in ascending order."""
        taken = copy.copy(self)
        taken.kept, taken.weights, taken.durations = self.kept[indices], self.weights[indices], self.durations[indices]
        return taken

    def timed(self, seconds: Float[np.ndarray, " L"], *, most: float = math.inf) -> "MixedExamples":
        """The same with these seconds for each of the lines of text, without the lines that take more than `most`.

        A line left out is not replaced: the others are shown more often.
        """
        timed, lines = copy.copy(self), slice(self.first_line, None)
        timed.durations = np.concatenate([self.durations[: self.first_line], seconds])
        short = np.concatenate([np.ones(self.first_line, bool), seconds <= most])
        timed.weights = self.weights.copy()
        kept = timed.weights[lines][short[lines]].sum()
        timed.weights[lines] *= self.weights[lines].sum() / kept if kept else 0.0
        return timed.take(np.flatnonzero(short))

    def fetch(self, shards: Iterable[int]) -> None:
        """Start copying the streamed tars among these."""
        if self.recordings is not None:
            self.recordings.fetch(shards)

    def _number(self, index: SupportsIndex) -> int:
        return int(self.kept[operator.index(index)]) - self.first_line
