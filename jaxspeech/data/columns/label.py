"""The label column: the number of each example's class, which a manifest gives by name."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from jaxtyping import Float, Int

from jaxspeech.data.columns.column import Column
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.variant import Variant
from jaxspeech.errors import ManifestError, did_you_mean
from jaxspeech.text.classes import Classes, class_name

# A message lists the names of the classes if there are no more.
MOST_LISTED = 40


def labels(manifest: Manifest, classes: Classes, *, field: str = "label") -> Column:
    """Make the column of the classes' numbers; an example is usable if its line names one of the classes.

    Args:
      manifest: the examples.
      classes: the classes of the model.
      field: the field of the manifest that holds the name.
    """
    numbers = label_numbers(manifest, classes, field=field)

    def row(example: int, variant: Variant) -> np.int32:
        if numbers[example] < 0:
            raise ManifestError(_unknown(manifest[example].fields, classes, field))
        return numbers[example]

    return Column(np.int32, (), None, numbers >= 0, row)


def label_numbers(manifest: Manifest, classes: Classes, *, field: str = "label") -> Int[np.ndarray, " N"]:
    """Look up the number of each example's class; -1 where the line names none of the classes."""
    names = label_names(manifest, field=field)
    return np.array([-1 if name is None else classes.numbers.get(name, -1) for name in names], np.int32)


def label_names(manifest: Manifest, *, field: str = "label") -> list[str | None]:
    """Read the name of each example's class (see `text.classes.class_name`); None where a line has none."""
    line_type = msgspec.defstruct("Labelled", [("label", str | int | None, None)], rename={"label": field}, gc=False)
    decode, seen, found = msgspec.json.Decoder(line_type).decode, {}, []
    for index, line in enumerate(manifest.lines()):
        try:
            decoded: Any = decode(line)
            value = decoded.label
        except msgspec.MsgspecError:  # of another type, or not plain JSON
            value = None
        name = class_name(manifest[index].fields if value is None else {field: value}, field)
        found.append(None if name is None else seen.setdefault(name, name))  # one string for equal names
    return found


def balancing_weights(numbers: Int[np.ndarray, " N"], *, strength: int | float = 1.0) -> Float[np.ndarray, " N"]:
    """How often an epoch must show each example so that the classes become more even; 1 on average over the examples.

    Args:
      numbers: the class of each example; -1 for none, whose weight is 1.
      strength: 1 shows each class equally often, 0 changes nothing, 0.5 is the square root of 1.
    """
    known = numbers >= 0
    if not known.any():
        return np.ones(len(numbers))
    counts = np.bincount(numbers[known])
    weights = np.ones(len(numbers))
    weights[known] = counts[numbers[known]].astype(np.float64) ** -strength
    weights[known] *= known.sum() / weights[known].sum()
    return weights


def inverse_frequencies(counts: Int[np.ndarray, " C"]) -> tuple[float, ...]:
    """The weights of the classes with which each counts the same in a loss: N / (C N_c), as NeMo's "auto".

    Args:
      counts: N_c, the number of examples of each class; one without examples has the weight 1.
    """
    total = int(counts.sum())
    return tuple((total / (len(counts) * count) if count else 1.0) for count in counts.tolist())


def _unknown(fields: Mapping[str, object], classes: Classes, field: str) -> str:
    name = class_name(fields, field)
    if name is None:
        return f"no {field}" if fields.get(field) in (None, "") else f"its {field} is not a name: {fields[field]!r:.60}"
    if len(classes) > MOST_LISTED:
        return f"{field} {name!r} is none of the model's {len(classes)} classes"
    return f"{field} {name!r} is not a class of the model{did_you_mean(name, classes.names)}"
