"""Leaves out examples to train on by their labels: too many or too few, or too many or too few a second."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxspeech.data.batching import lengths_of_labels
from jaxspeech.data.columns.column import Column, Examples
from jaxspeech.data.example_set import ExampleSet
from jaxspeech.errors import ConfigError, ManifestError


class Limits(NamedTuple):
    """The limits of examples that are trained on; 0 is none.

    Attributes:
      min_tokens, max_tokens: of an example's text.
      min_tokens_per_second, max_tokens_per_second: of it, over the seconds of the recording.
    """

    min_tokens: int = 0
    max_tokens: int = 0
    min_tokens_per_second: int | float = 0.0
    max_tokens_per_second: int | float = 0.0

    def within(
        self, manifest: ExampleSet, columns: Mapping[str, Column], examples: Examples
    ) -> tuple[Examples, dict[str, int]]:
        """The examples within the limits, and the numbers of the others by the limit that they exceed.

        Args:
          manifest: the examples.
          columns: of the manifest.
          examples: those of its examples that are in use.

        Raises:
          ConfigError: no column has labels.
          ManifestError: no example is left.
        """
        if not self.given:
            return examples, {}
        labels = lengths_of_labels(columns, examples, what=" and ".join(f"data.{name}" for name in self.given))
        rates = labels / manifest.durations[examples]
        measured = {"tokens": labels, "tokens_per_second": rates}
        left, counts = np.ones(len(labels), bool), {}
        for name in self.given:
            bound, values = getattr(self, name), measured[name[len("min_") :]]
            beyond = left & (values < bound if name.startswith("min_") else values > bound)
            left &= ~beyond
            counts[name] = int(beyond.sum())
        if not left.any():
            raise ManifestError(
                f"no example is within {', '.join(f'data.{n}={getattr(self, n):g}' for n in self.given)}"
            )
        if left.all():
            return examples, counts
        numbers = np.arange(len(manifest))[examples]
        return numbers[left].astype(np.int32), counts

    @property
    def given(self) -> tuple[str, ...]:
        """The names of the limits that are set."""
        return tuple(name for name in self._fields if getattr(self, name))


UNLIMITED = Limits()


def parse_limits(data: Mapping[str, Any]) -> Limits:
    """Read them from the fields of `data`; one that is missing is no limit.

    Raises:
      ConfigError: a value is no number, or negative.
    """
    values = {name: data.get(name, 0) for name in Limits._fields}
    for name, value in values.items():
        if not (isinstance(value, int | float) and 0 <= value < math.inf):
            raise ConfigError(f"data.{name} is {value!r}; it is a number, and 0 for no limit")
    return Limits(**values)
