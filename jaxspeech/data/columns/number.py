"""The number column: what a regression model learns to estimate, a number in each line of a manifest."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.data.columns.column import Column
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.variant import Variant
from jaxspeech.errors import ManifestError
from jaxspeech.manifest_lines import parse_line


def numbers(manifest: Manifest, *, field: str = "label") -> Column:
    """Make the column; an example is usable if its field holds a finite number, or the text of one."""
    values = read_numbers(manifest, field=field)

    def row(example: int, variant: Variant) -> np.float32:
        if np.isnan(values[example]):
            given = manifest[example].fields.get(field)
            raise ManifestError(f"no {field}" if given is None else f"its {field} is not a number: {given!r:.60}")
        return np.float32(values[example])

    return Column(np.float32, (), None, ~np.isnan(values), row)


def read_numbers(manifest: Manifest, *, field: str = "label") -> Float[np.ndarray, " N"]:
    """Read the number of each example; NaN where a line has none."""
    found = (number_of(parse_line(line), field) for line in manifest.lines())
    return np.array([math.nan if value is None else value for value in found], np.float64)


def number_of(fields: Mapping[str, Any], field: str) -> float | None:
    """Returns the finite number that a field holds, as a number or a text; None if it holds none."""
    value = fields.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
