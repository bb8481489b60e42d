"""Converts our variables to NeMo's tensors: the walk of `read` in the other direction."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.weights.read import STACKED, places
from jaxspeech.interop.nemo.weights.rows import TensorRow
from jaxspeech.types import Variables


def to_tensors(variables: Variables, rows: Sequence[TensorRow]) -> Iterator[tuple[str, np.ndarray]]:
    """Yields NeMo's names and tensors one by one: besides the variables, only one is in memory.

    Args:
      variables: with the layers of the encoder stacked or not.
      rows: the map.
    Raises:
      ArchiveError: some variables have no row; raised immediately, before the first tensor is read.
    """
    flat = {"/".join(key.key for key in keys): leaf for keys, leaf in jax.tree_util.tree_leaves_with_path(variables)}
    found = [places(row, flat) for row in rows]
    if unknown := sorted(flat.keys() - {path for paths in found for path in paths}):
        raise ArchiveError(f"NeMo's format has no place for {', '.join(unknown)}")
    return _walk(flat, rows, found)


def copies(rows: Sequence[TensorRow]) -> dict[str, str]:
    """The tensors that are written more than once: name -> the name of the first."""
    first: dict[Any, str] = {}
    names = (
        (row, first.setdefault((row.ours, row.transform, row.columns), row.nemo))
        for row in rows
        if "{i}" not in row.nemo
    )
    return {row.nemo: name for row, name in names if row.nemo != name}


def _walk(
    flat: Mapping[str, Any], rows: Sequence[TensorRow], found: Sequence[Mapping[str, list[int] | None]]
) -> Iterator[tuple[str, np.ndarray]]:
    # The layers of each list of modules: one variable may be written as a copy for each of them.
    numbered: dict[str, set[int]] = {}
    for row, paths in zip(rows, found, strict=True):
        for layers in paths.values():
            numbered.setdefault(_list_of(row), set()).update(layers or ())
    for row, paths in zip(rows, found, strict=True):
        for path, layers in paths.items():
            shared = sorted(numbered[_list_of(row)]) if "{i}" in row.nemo else [0]
            for i in shared if layers is None else layers:
                stacked = layers is not None and STACKED in f"/{path}"
                array = np.asarray(flat[path])
                array = array if row.columns is None else array[..., slice(*row.columns)]
                yield row.nemo.replace("{i}", str(i)), row.transform.write(array[i] if stacked else array)


def _list_of(row: TensorRow) -> str:
    """The list of modules that a row belongs to: the part of its name before {i}."""
    return row.nemo.partition("{i}")[0]
