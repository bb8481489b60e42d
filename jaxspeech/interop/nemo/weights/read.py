"""The peer's tensors to our variables: the one walk over the tables.

Layers are stacked on a leading axis where our tree has them stacked.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.weights import DERIVED
from jaxspeech.interop.nemo.weights.rows import Row
from jaxspeech.types import Variables

# As many problems as one error names.
NAMED_PROBLEMS = 12
# In the path of a variable with a leading axis of layers.
STACKED = "/layers/"


def to_variables(tensors: Mapping[str, np.ndarray], rows: Sequence[Row], expected: Mapping[str, Any]) -> Variables:
    """The peer's tensors as our variables, in float32.

    Args:
      tensors: by the peer's names.
      rows: the map.
      expected: path of each of our variables ("params/encoder/...") -> something with its shape.
    Raises:
      ArchiveError: every tensor that is missing, left over or of another shape than its variable, in one line.
    """
    found, problems = _matched(tensors, rows)
    filled: dict[str, np.ndarray] = {}
    for row, arrays in zip(rows, found, strict=True):
        for path, layers in places(row, expected).items():
            shape = tuple(expected[path].shape)
            if layers is None:  # one variable, of which each layer may have a copy
                layers = sorted(arrays)[:1] or [0]
                if any(not np.array_equal(arrays[layers[0]], copy) for copy in arrays.values()):
                    problems.append(f"{row.peer} differs between layers")
                taken, arrays = arrays, {}
            else:
                shape = shape[1:] if STACKED in f"/{path}" else shape
                taken = {i: arrays.pop(i) for i in layers if i in arrays}
            names = {i: row.peer.replace("{i}", str(i)) for i in layers}
            problems += [f"{names[i]} is missing" for i in layers if i not in taken]
            wrong = [i for i in layers if i in taken and taken[i].shape != shape]
            problems += [f"{names[i]} has the shape {list(tensors[names[i]].shape)}" for i in wrong]
            if not wrong and all(i in taken for i in layers):
                whole = np.stack([taken[i] for i in layers]) if STACKED in f"/{path}" else taken[layers[0]]
                filled[path] = np.ascontiguousarray(whole, np.float32)
        problems += [f"{row.peer.replace('{i}', str(i))} has no place" for i in arrays]
    if not problems:
        problems = [f"nothing for {path}" for path in expected if path not in filled]
    if problems:
        more = f" and {len(problems) - NAMED_PROBLEMS} more" if len(problems) > NAMED_PROBLEMS else ""
        raise ArchiveError(f"its weights do not fit its configuration: {'; '.join(problems[:NAMED_PROBLEMS])}{more}")
    return _nested(filled)


def _matched(tensors: Mapping[str, np.ndarray], rows: Sequence[Row]) -> tuple[list[dict[int, np.ndarray]], list[str]]:
    """For each row the transformed tensors by layer (0 where it has none); and what fits no row."""
    patterns = [_pattern(row.peer) for row in rows]
    derived = [_pattern(name) for name in DERIVED]
    found: list[dict[int, np.ndarray]] = [{} for _ in rows]
    problems = []
    for name, tensor in tensors.items():
        if any(pattern.fullmatch(name) for pattern in derived):
            continue
        for row, pattern, arrays in zip(rows, patterns, found, strict=True):
            if match := pattern.fullmatch(name):
                try:
                    arrays[int(match.groupdict().get("i", 0))] = row.transform.read(tensor)
                except (ValueError, IndexError):
                    problems.append(f"{name} has the shape {list(tensor.shape)}")
                break
        else:
            problems.append(f"{name} has no place")
    return found, problems


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(re.escape(name).replace(r"\{i\}", "(?P<i>[0-9]{1,4})").replace(r"\{any\}", ".+"))


def places(row: Row, expected: Mapping[str, Any]) -> dict[str, list[int] | None]:
    """Which of our variables a row fills: path -> the layers that go into it, None for a copy of any."""
    if "{i}" not in row.ours:
        return {row.ours: None} if row.ours in expected else {}
    stacked = row.ours.replace("layers_{i}", "layers")
    if stacked in expected:
        return {stacked: list(range(expected[stacked].shape[0]))}
    layers = itertools.takewhile(lambda i: row.ours.format(i=i) in expected, itertools.count())
    return {row.ours.format(i=i): [i] for i in layers}


def _nested(flat: Mapping[str, np.ndarray]) -> Variables:
    variables: Variables = {}
    for path, array in flat.items():
        *parents, last = path.split("/")
        node = variables
        for name in parents:
            node = node.setdefault(name, {})
        node[last] = array
    return variables
