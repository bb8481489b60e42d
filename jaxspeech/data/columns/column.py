"""A column: one field of a batch, filled row by row from the examples of a manifest.

A column named `x` with a padded length fills the batch's fields `x` [B X ...] and `num_x` [B]; one with one value a row
fills `x` [B ...] alone.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxspeech.data.variant import Variant

# Examples of a manifest: their numbers, or slice(None) for all of them; either indexes an array.
Examples = slice | Int[np.ndarray, " K"]
# (examples that are used, their seconds at their shortest, seconds of each bucket) -> padded length in each bucket
Widths = Callable[[Examples, Float[np.ndarray, " K"], Float[np.ndarray, " b"]], tuple[int, ...]]
# Widths that follow from what the examples hold are multiples of this, so that buckets share shapes.
MULTIPLE = 8


class Column(NamedTuple):
    """One field of a batch.

    Attributes:
      dtype: of its values.
      shape: of a value, after its length: () for token ids, (S,) for the activity of S speakers.
      widths: the padded length in each bucket; None where each row has one value.
      usable: which of the manifest's examples have it. Training leaves the others out and reports them; in an
        evaluation set their field is empty.
      row: (example of the manifest, how it is varied) -> its value. A SpeechError makes the row a filler, and is
        reported; for an example that is not usable it says why.
    """

    dtype: Any
    shape: tuple[int, ...]
    widths: Widths | None
    usable: Bool[np.ndarray, " N"]
    row: Callable[[int, Variant], Any]


def widest(
    lengths: Int[np.ndarray, " K"], shortest: Float[np.ndarray, " K"], bucket_seconds: Float[np.ndarray, " b"]
) -> tuple[int, ...]:
    """The greatest length that can occur in each bucket, rounded up; examples may come to any bucket that holds them.

    Args:
      lengths: of each example's value.
      shortest: seconds of each example at its shortest.
      bucket_seconds: of each bucket, ascending.
    """
    most = np.zeros(len(bucket_seconds), np.int64)
    np.maximum.at(most, np.searchsorted(bucket_seconds, shortest), lengths)
    most = np.maximum(np.maximum.accumulate(most), 1)
    return tuple((-(-most // MULTIPLE) * MULTIPLE).tolist())


def fields_of(columns: Mapping[str, Column]) -> list[str]:
    """The fields of a batch that these columns fill."""
    return [
        field
        for name, column in columns.items()
        for field in ([name] if column.widths is None else [name, f"num_{name}"])
    ]


def check_fields(batch: type, filled: Iterable[str]) -> None:
    """Check that each field of a batch is filled, once.

    Args:
      batch: a NamedTuple class.
      filled: all that is filled; `index` always is.

    Raises:
      TypeError: which fields are missing, and which the batch does not have.
    """
    wanted, found = Counter(batch._fields), Counter([*filled, "index"])
    missing, surplus = (", ".join((a - b).elements()) for a, b in ((wanted, found), (found, wanted)))
    faults = [f"nothing fills {missing}"] * bool(missing) + [f"it has no field for {surplus}"] * bool(surplus)
    if faults:
        raise TypeError(f"{batch.__name__}({', '.join(batch._fields)}): {'; '.join(faults)}")
