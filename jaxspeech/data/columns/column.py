"""A column: one field of a batch, filled row by row from the examples of a manifest.

A column named `x` with a padded length fills the batch's fields `x` [B X ...] and `num_x` [B]; a column with a single
value per row fills `x` [B ...] alone. Axes may come before the length, as in samples [B C S], and where a second field
has the same lengths (the target of an enhancement model), one of them is not counted: it fills no `num_x`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxspeech.data.variant import Variant

# Examples of a manifest: their numbers, or slice(None) for all of them; both can index an array.
Examples = slice | Int[np.ndarray, " K"]
# (examples in use, the least seconds of each, seconds of each bucket) -> padded length in each bucket
Widths = Callable[[Examples, Float[np.ndarray, " K"], Float[np.ndarray, " b"]], tuple[int, ...]]
# (numbers of the examples, their values, seconds between them) -> the value of the joined example
JoinValues = Callable[[Sequence[int], Sequence[Any], float], Any]
# Widths that depend on the content of the examples are multiples of this, so that buckets share shapes.
MULTIPLE = 8


class Column(NamedTuple):
    """One field of a batch.

    Attributes:
      dtype: the type of its values.
      shape: the shape of a value without its length: () for token ids, (S,) for the activity of S speakers.
      widths: computes the padded length in each bucket; None where each row has a single value.
      usable: which of the manifest's examples have a value. Training leaves the others out and reports them; in an
        evaluation set their field is empty.
      row: (number of an example in the manifest, how it is varied) -> its value. If it raises a SpeechError, the error
        is reported and the row becomes a filler; for an example that is not usable, the error says why.
      lengths: the length of each example's value when it is not varied, if that is known without loading it. A run then
        reports before its first step which examples a model cannot learn from (see data/capacity.py).
      before: axes of a value before its length.
      counted: whether `num_x` holds the lengths of its values.
      planned: whether batches can be planned by its `lengths` beside their seconds, as by the labels of recognition.
      join: makes the value of several examples that are joined to one; None: they cannot be.
    """

    dtype: Any
    shape: tuple[int, ...]
    widths: Widths | None
    usable: Bool[np.ndarray, " N"]
    row: Callable[[int, Variant], Any]
    lengths: Int[np.ndarray, " N"] | None = None
    before: tuple[int, ...] = ()
    counted: bool = True
    planned: bool = False
    join: JoinValues | None = None

    def length(self, value: Any) -> int:
        """The length of a row's value."""
        return np.shape(value)[len(self.before)]


def widest(
    lengths: Int[np.ndarray, " K"], shortest: Float[np.ndarray, " K"], bucket_seconds: Float[np.ndarray, " b"]
) -> tuple[int, ...]:
    """Return the greatest length that can occur in each bucket, rounded up.

    An example may be placed in any bucket that is long enough for its shortest variant.

    Args:
      lengths: the length of each example's value.
      shortest: the least seconds that any variant of each example has.
      bucket_seconds: the length of each bucket, ascending.
    """
    most = np.zeros(len(bucket_seconds), np.int64)
    np.maximum.at(most, np.searchsorted(bucket_seconds, shortest), lengths)
    most = np.maximum(np.maximum.accumulate(most), 1)
    return tuple((-(-most // MULTIPLE) * MULTIPLE).tolist())


def fields_of(columns: Mapping[str, Column]) -> list[str]:
    """The names of the batch's fields that these columns fill."""
    return [
        field
        for name, column in columns.items()
        for field in ([name] if column.widths is None or not column.counted else [name, f"num_{name}"])
    ]


def check_fields(batch: type, filled: Iterable[str]) -> None:
    """Check that each field of a batch is filled exactly once; one that has a default may be left out.

    Args:
      batch: a NamedTuple class.
      filled: the names of the fields that are filled, except `index`, which always is.

    Raises:
      TypeError: names the fields that nothing fills, and those that the batch does not have.
    """
    wanted, found = Counter(batch._fields), Counter([*filled, "index"])
    needed = wanted - Counter([*batch._field_defaults])
    missing, surplus = (", ".join((a - b).elements()) for a, b in ((needed, found), (found, wanted)))
    faults = [f"nothing fills {missing}"] * bool(missing) + [f"it has no field for {surplus}"] * bool(surplus)
    if faults:
        raise TypeError(f"{batch.__name__}({', '.join(batch._fields)}): {'; '.join(faults)}")
