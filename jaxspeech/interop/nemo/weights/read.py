"""Converts NeMo's tensors to our variables, by one walk over the tables.

Layers are stacked on a leading axis where our tree has them stacked.
"""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.weights.derived import COUNT
from jaxspeech.interop.nemo.weights.rows import TensorRow
from jaxspeech.types import Variables

# The largest number of problems that one error lists.
NAMED_PROBLEMS = 12
# Part of the path of every variable with a leading axis of layers.
STACKED = "/layers/"


def to_variables(
    tensors: Mapping[str, Any],
    rows: Sequence[TensorRow],
    expected: Mapping[str, Any],
    *,
    unused: Iterable[str] = (),
    dtype: Any = None,
    as_stored: bool = False,
    place: Callable[[np.ndarray], Any] = lambda array: array,
) -> Variables:
    """Converts NeMo's tensors to our variables. Besides the variables, only one tensor at a time is in memory.

    Args:
      tensors: by NeMo's names; anything that has a shape and that `np.asarray` can read.
      rows: the map.
      expected: path of each of our variables ("params/encoder/...") -> something with its shape.
      unused: patterns of the names of tensors that are not variables.
      dtype: of the parameters; None means float32, which running statistics always have.
      as_stored: parameters have the dtypes of their tensors in place of `dtype`.
      place: called with each variable once it is complete, before the next one is read; what it returns is kept.
    Raises:
      ArchiveError: tensors are missing, left over, or differ in shape from their variables; lists all in one line.
    """
    found, problems = _matched(tensors, rows, unused)
    filled: dict[str, Any] = {}
    unfinished: dict[str, np.ndarray] = {}
    several = Counter(row.ours for row in rows if row.columns)  # tensors that a variable still lacks
    for row, names in zip(rows, found, strict=True):
        for path, layers in places(row, expected).items():
            shape = tuple(expected[path].shape)
            if layers is None:  # one variable, of which each layer may have a copy
                copies, names = names, {}
                layers = sorted(copies)[:1] or [0]
                taken = {i: name for i, name in copies.items() if i in layers}
                others = [name for i, name in copies.items() if i not in layers]
                if any(not np.array_equal(tensors[taken[layers[0]]], tensors[name]) for name in others):
                    problems.append(f"{row.nemo} differs between layers")
            else:
                taken = {i: names.pop(i) for i in layers if i in names}
            problems += [f"{row.nemo.replace('{i}', str(i))} is missing" for i in layers if i not in taken]
            of_params = path.startswith("params/")
            array = unfinished.pop(path, None)
            if array is None:
                stored = [tensors[name].dtype for name in taken.values()][:1] if as_stored else []
                array = np.empty(shape, (stored or [dtype or np.float32])[0] if of_params else np.float32)
            own = array if row.columns is None else array[..., slice(*row.columns)]
            parts = own if STACKED in f"/{path}" else own[None]
            wrong = [
                name for part, name in zip(parts, taken.values(), strict=False) if not _read(row, tensors[name], part)
            ]
            problems += [f"{name} has the shape {list(tensors[name].shape)}" for name in wrong]
            if row.columns is not None:
                several[row.ours] -= 1
                if several[row.ours]:
                    unfinished[path] = array
                    continue
            if path in filled and not np.array_equal(filled[path], array):
                problems.append(f"{row.nemo} differs from the other tensor of {path}")
            filled[path] = place(array)
        problems += [f"{name} has no place" for name in names.values()]
    if not problems:
        problems = [f"no tensor for {path}" for path in expected if path not in filled]
    if problems:
        more = f" and {len(problems) - NAMED_PROBLEMS} more" if len(problems) > NAMED_PROBLEMS else ""
        raise ArchiveError(f"its weights do not fit its configuration: {'; '.join(problems[:NAMED_PROBLEMS])}{more}")
    return _nested(filled)


def _read(row: TensorRow, tensor: Any, part: np.ndarray) -> bool:
    """Copies a tensor into its variable; returns False if it does not fit."""
    try:
        read = row.transform.read(np.asarray(tensor))
    except (ValueError, IndexError):
        return False
    if read.shape != part.shape:
        return False
    part[...] = read
    return True


def _matched(
    tensors: Iterable[str], rows: Sequence[TensorRow], unused: Iterable[str]
) -> tuple[list[dict[int, str]], list[str]]:
    """Returns the names of each row's tensors by layer (0 if it has none), and the names that fit no row."""
    patterns = [_pattern(row.nemo) for row in rows]
    skipped = [_pattern(name) for name in (*unused, f"{{any}}{COUNT}")]
    found: list[dict[int, str]] = [{} for _ in rows]
    problems = []
    for name in tensors:
        if any(pattern.fullmatch(name) for pattern in skipped):
            continue
        for pattern, names in zip(patterns, found, strict=True):
            if match := pattern.fullmatch(name):
                names[int(match.groupdict().get("i", 0))] = name
                break
        else:
            problems.append(f"{name} has no place")
    return found, problems


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(re.escape(name).replace(r"\{i\}", "(?P<i>[0-9]{1,4})").replace(r"\{any\}", ".+"))


def places(row: TensorRow, expected: Mapping[str, Any]) -> dict[str, list[int] | None]:
    """The variables of ours that a row fills: path -> the layers that go into it; None: a copy of any layer."""
    if "{i}" not in row.ours:
        return {row.ours: None} if row.ours in expected else {}
    stacked = row.ours.replace("layers_{i}", "layers")
    if stacked in expected:
        return {stacked: list(range(expected[stacked].shape[0]))}
    layers = itertools.takewhile(lambda i: row.ours.format(i=i) in expected, itertools.count())
    return {row.ours.format(i=i): [i] for i in layers}


def _nested(flat: Mapping[str, Any]) -> Variables:
    variables: Variables = {}
    for path, array in flat.items():
        *parents, last = path.split("/")
        node = variables
        for name in parents:
            node = node.setdefault(name, {})
        node[last] = array
    return variables
