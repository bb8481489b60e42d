"""Leaves out examples to train on by their labels: too many or too few, or too many or too few a second."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.data.batching import lengths_of_labels
from jaxspeech.data.columns.column import Column, Examples
from jaxspeech.data.example_set import ExampleSet
from jaxspeech.errors import ConfigError, ManifestError

# A limit for all recordings, or one for those of each bucket.
Rate = int | float | tuple[int | float, ...]


class Limits(NamedTuple):
    """The limits of examples that are trained on; 0 is none.

    Attributes:
      min_tokens, max_tokens: of an example's text.
      min_tokens_per_second, max_tokens_per_second: of it, over the seconds of the recording; or one limit for each
        bucket, which counts for the recordings that are longer than the bucket before it, and not longer than this one.
    """

    min_tokens: int = 0
    max_tokens: int = 0
    min_tokens_per_second: Rate = 0.0
    max_tokens_per_second: Rate = 0.0

    def within(
        self,
        manifest: ExampleSet,
        columns: Mapping[str, Column],
        examples: Examples,
        *,
        buckets: int | Sequence[int | float] = 0,
    ) -> tuple[Examples, dict[str, int]]:
        """The examples within the limits, and the numbers of the others by the limit that they exceed.

        Args:
          manifest: the examples.
          columns: of the manifest.
          examples: those of its examples that are in use.
          buckets: the lengths of the buckets, ascending; their number is not enough for limits of each.

        Raises:
          ConfigError: no column has labels, or there is not one limit for each bucket.
          ManifestError: no example is left.
        """
        if not self.given:
            return examples, {}
        labels = lengths_of_labels(columns, examples, what=" and ".join(f"data.{name}" for name in self.given))
        durations = manifest.durations[examples]
        measured = {"tokens": labels, "tokens_per_second": labels / durations}
        left, counts = np.ones(len(labels), bool), {}
        for name in self.given:
            bound, values = self._bound(name, buckets, durations), measured[name[len("min_") :]]
            beyond = left & (values < bound if name.startswith("min_") else values > bound)
            left &= ~beyond
            counts[name] = int(beyond.sum())
        if not left.any():
            raise ManifestError(f"no example is within {', '.join(f'data.{n}={self.shown(n)}' for n in self.given)}")
        if left.all():
            return examples, counts
        numbers = np.arange(len(manifest))[examples]
        return numbers[left].astype(np.int32), counts

    @property
    def given(self) -> tuple[str, ...]:
        """The names of the limits that are set."""
        return tuple(name for name in self._fields if getattr(self, name))

    def shown(self, name: str) -> str:
        """The limit, or those of each bucket, as a text."""
        limit = getattr(self, name)
        return f"{limit:g}" if isinstance(limit, int | float) else f"({', '.join(f'{one:g}' for one in limit)})"

    def _bound(self, name: str, buckets: int | Sequence[int | float], durations: Float[np.ndarray, " N"]) -> Any:
        """The limit of each recording, or of all of them."""
        limit = getattr(self, name)
        if isinstance(limit, int | float):
            return limit
        if isinstance(buckets, int) or len(buckets) != len(limit):
            raise ConfigError(f"data.{name} has {len(limit)} limits: data.buckets must be as many lengths in seconds")
        limits = np.array([one or (0.0 if name.startswith("min_") else np.inf) for one in limit])
        return limits[np.minimum(np.searchsorted(np.asarray(buckets, float), durations), len(limit) - 1)]


UNLIMITED = Limits()


def parse_limits(data: Mapping[str, Any]) -> Limits:
    """Read them from the fields of `data`; one that is missing is no limit.

    Raises:
      ConfigError: a value is no number, or negative.
    """
    values = {name: data.get(name, 0) for name in Limits._fields}
    for name, value in values.items():
        of_buckets = isinstance(value, list | tuple) and len(value) > 0 and name.endswith("_second")
        if not all(isinstance(one, int | float) and 0 <= one < math.inf for one in (value if of_buckets else [value])):
            what = "a number, or one for each bucket," if name.endswith("_second") else "a number,"
            raise ConfigError(f"data.{name} is {value!r}; it is {what} and 0 for no limit")
        values[name] = tuple(value) if of_buckets else value
    return Limits(**values)
