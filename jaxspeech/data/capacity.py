"""Finds the examples that a model cannot learn from, by their lengths alone, before the first step."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from jaxtyping import Int

from jaxspeech.data.columns.column import Column
from jaxspeech.data.decode import name_entry
from jaxspeech.data.example_set import ExampleSet
from jaxspeech.data.variant import STILL
from jaxspeech.errors import ManifestError
from jaxspeech.types import Capacity, Extents

# Most examples that are examined, evenly spaced: 16 million would take minutes.
MOST_EXAMINED = 20_000
# The run is refused if no more than this share of the examples is left.
LEAST_LEFT = 0.1


def check_capacity(
    capacity: Capacity,
    manifest: ExampleSet,
    columns: Mapping[str, Column],
    *,
    what: str,
    report: Callable[[str], None],
) -> None:
    """Report how many of the examples to train on need more than they have, with one of them by its name.

    At most MOST_EXAMINED examples are examined, evenly spaced, as they are without augmentation. Examples that are not
    usable in every column are left out, as training leaves them out.

    Args:
      capacity: the model's, from its Task.
      manifest: the examples.
      columns: their columns.
      what: describes an example that cannot be learned from: "a transcript too long for its audio".
      report: is called with the line.

    Raises:
      ManifestError: so few examples are left (LEAST_LEFT) that the run would learn nothing, or almost nothing.
    """
    usable = np.ones(len(manifest), bool)
    for column in columns.values():
        usable &= column.usable
    count = int(usable.sum())
    if not count:
        return
    places = np.arange(min(count, MOST_EXAMINED)) * count // min(count, MOST_EXAMINED)
    examples = places if count == len(manifest) else np.flatnonzero(usable)[places]

    def values(field: str, rows: Int[np.ndarray, " K"]) -> Iterator[np.ndarray]:
        return (columns[field].row(int(examples[row]), STILL) for row in rows)

    lengths = {name: column.lengths[examples] for name, column in columns.items() if column.lengths is not None}
    needed, available = capacity.measure(Extents(lengths, values))
    beyond = np.flatnonzero(needed > available)
    if not len(beyond):
        return
    first = beyond[0]
    among = f" examined, of {count} in all" if len(examples) < count else ""
    line = (
        f"{what} in {len(beyond)} of {len(examples)} training examples{among}; the first is "
        f"{name_entry(manifest[int(examples[first])])}, which needs {needed[first]} {capacity.unit} or more and has "
        f"{available[first]}"
    )
    if len(beyond) >= (1 - LEAST_LEFT) * len(examples):
        raise ManifestError(f"{line}. Nothing can be learned from them; {capacity.advice}")
    report(f"{line}. They are left out of the loss")
