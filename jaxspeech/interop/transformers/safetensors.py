"""Reads .safetensors files: little-endian tensors after an index in JSON.

    length of the index (8 bytes, little-endian), index, elements
    index: {name: {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ..., "__metadata__": {text: text}}

Nothing in the file is executed. The index is checked against the file's size before any tensor is read: the tensors
must follow one another without gaps up to the file's end. Elements are read on demand, one tensor at a time.

The `safetensors` library is not used because it maps the file into memory: if the file becomes shorter meanwhile, the
process dies of SIGBUS. It also accepts a name that is in the index twice.

Source: the format's description in the README of huggingface/safetensors.
"""

import itertools
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from jaxspeech.errors import ArchiveError

DTYPES = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
LARGEST_INDEX_BYTES = 1 << 26
LENGTH_BYTES = 8
METADATA = "__metadata__"
MOST_AXES = 8


class StoredTensor(NamedTuple):
    """A tensor in the file; `np.asarray` reads its elements from the file each time. `offset` is in bytes."""

    path: Path
    dtype: np.dtype
    shape: tuple[int, ...]
    offset: int

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        count = math.prod(self.shape)
        try:
            array = np.fromfile(self.path, self.dtype, count, offset=self.offset)
        except OSError as error:
            raise ArchiveError(f"{self.path.name} cannot be read ({error})") from error
        if array.size != count:
            raise ArchiveError(f"{self.path.name} has become shorter since it was opened")
        return array.reshape(self.shape).astype(dtype or self.dtype, copy=False)


def read_safetensors(path: Path) -> dict[str, StoredTensor]:
    """Reads the index of a file; returns its tensors by name.

    Raises:
      ArchiveError: it is not a safetensors file, is damaged, or its index does not match it.
    """
    try:
        with open(path, "rb") as stream:
            num_bytes = stream.seek(0, 2)
            stream.seek(0)
            length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
            if not 2 <= length <= min(num_bytes - LENGTH_BYTES, LARGEST_INDEX_BYTES):
                raise ArchiveError(f"its index would have {length} bytes, the file has {num_bytes}")
            index = json.loads(stream.read(length).decode(), object_pairs_hook=_without_twins)
        start = LENGTH_BYTES + length
        return _tensors(path, index, start, num_bytes - start)
    except (ArchiveError, OSError, ValueError, RecursionError) as error:
        raise ArchiveError(f"{path.name} is not a safetensors file, or damaged ({error})") from error


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ArchiveError("a name is in its index twice")
    return found


def _tensors(path: Path, index: Any, start: int, num_bytes: int) -> dict[str, StoredTensor]:
    """The tensors of an index; their elements are the `num_bytes` bytes from `start` on."""
    if not isinstance(index, dict):
        raise ArchiveError("its index is not a dict")
    index.pop(METADATA, None)
    tensors, spans = {}, []
    for name, entry in index.items():
        try:
            dtype = DTYPES[entry["dtype"]]
            shape, (begin, end) = tuple(entry["shape"]), entry["data_offsets"]
        except (KeyError, TypeError, ValueError):
            raise ArchiveError(f"{name[:200]!r} needs a dtype ({', '.join(DTYPES)}), a shape and offsets") from None
        if not all(type(n) is int and n >= 0 for n in (*shape, begin, end)) or len(shape) > MOST_AXES:
            raise ArchiveError(f"{name[:200]!r} has an invalid shape or invalid offsets")
        if end - begin != math.prod(shape) * dtype.itemsize:
            raise ArchiveError(f"{name[:200]!r} has a size that does not match its shape")
        tensors[name] = StoredTensor(path, dtype, shape, start + begin)
        spans.append((begin, end))
    bounds = [(0, 0), *sorted(spans), (num_bytes, num_bytes)]
    if any(before[1] != after[0] for before, after in itertools.pairwise(bounds)):
        raise ArchiveError("its tensors do not fill it without gaps or overlaps")
    return tensors
