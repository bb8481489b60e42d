"""How examples become batches, as a recipe's `data` says, beside the numbers of buckets and of examples."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from jaxspeech.data.buckets import PLAIN, Cost
from jaxspeech.data.columns.column import Column, Examples
from jaxspeech.data.join import APART, Join
from jaxspeech.errors import ConfigError, did_you_mean


class Batching(NamedTuple):
    """How examples become batches.

    Attributes:
      cost: what an example counts against `batch_seconds`.
      label_buckets: number of padded label lengths of each length in seconds.
      join: how short utterances are joined.
    """

    cost: Cost = PLAIN
    label_buckets: int = 1
    join: Join = APART

    @property
    def by_labels(self) -> bool:
        """Whether batches are planned by their labels too."""
        return self.label_buckets != 1 or self.cost.label_seconds > 0 or self.join.seconds > 0


# Batches planned by the seconds of examples alone.
ONE_SHAPE_EACH = Batching()


def parse_batching(data: Mapping[str, Any]) -> Batching:
    """Read it from the fields of `data`; one that is missing has its default.

    Raises:
      ConfigError: a value is not possible, or a field of `join` is unknown.
    """
    numbers = {name: data.get(name, 0.0) for name in Cost._fields}
    for name, value in numbers.items():
        if not (isinstance(value, int | float) and value >= 0):
            raise ConfigError(f"data.{name} is {value!r}; it is a number of seconds, 0 or more")
    count = data.get("label_buckets", 1)
    if not (isinstance(count, int) and count >= 1):
        raise ConfigError(f"data.label_buckets is {count!r}; it is the number of padded lengths of labels, 1 or more")
    given = dict(data.get("join") or {})
    for name in given:
        if name not in Join._fields:
            raise ConfigError(f"data.join.{name}: no such field{did_you_mean(name, Join._fields)}")
    return Batching(Cost(**numbers), count, Join(**given).check())


def planned_labels(
    columns: Mapping[str, Column], examples: Examples, batching: Batching
) -> Int[np.ndarray, " K"] | None:
    """The number of labels of the examples in use, if batches are planned by it; checks what the columns can do.

    Raises:
      ConfigError: the columns have nothing to plan by, or cannot be joined.
    """
    if not batching.by_labels:
        return None
    if batching.join.seconds and (alone := [name for name, column in columns.items() if column.join is None]):
        raise ConfigError(f"data.join: the {alone[0]} of this kind of model cannot be joined; leave it out")
    return lengths_of_labels(columns, examples, what="data.label_buckets, data.label_seconds and data.join")


def lengths_of_labels(columns: Mapping[str, Column], examples: Examples, *, what: str) -> Int[np.ndarray, " K"]:
    """The number of labels of each example in use.

    Raises:
      ConfigError: `what` needs labels, and no column has them.
    """
    for column in columns.values():
        if column.planned and column.lengths is not None:
            return column.lengths[examples]
    raise ConfigError(f"{what}: the examples of this kind of model have no labels to count; leave it out")


def plain_batching(data: Mapping[str, Any], *, why: str) -> None:
    """Check that a recipe leaves all of this as it is by default.

    Raises:
      ConfigError: names what it sets, and says why it cannot.
    """
    found, plain = parse_batching(data), ONE_SHAPE_EACH
    for name, field in (("quadratic_seconds", "cost"), ("label_buckets", "label_buckets"), ("join", "join")):
        if getattr(found, field) != getattr(plain, field):
            both = "quadratic_seconds and data.label_seconds" if field == "cost" else name
            raise ConfigError(f"data.{both}: {why}")
