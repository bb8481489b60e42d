"""Writes .safetensors files tensor by tensor: besides the weights themselves, one tensor is in memory.

The format is that of `safetensors`. A model above 5 GB becomes several files, with an index that names each tensor's.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

import numpy as np

from jaxspeech.errors import ArchiveError
from jaxspeech.files import replace_atomically
from jaxspeech.interop.transformers.folder import SHARDS, WEIGHTS
from jaxspeech.interop.transformers.safetensors import DTYPES, LENGTH_BYTES, METADATA

MOST_BYTES = 5_000_000_000
CODES = {dtype: code for code, dtype in DTYPES.items()}
# The index is padded with spaces, so that the elements after it are aligned.
ALIGNMENT = 8


def write_shards(
    folder: Path,
    tensors: Callable[[], Iterable[tuple[str, np.ndarray]]],
    *,
    most_bytes: int = MOST_BYTES,
    metadata: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Writes model.safetensors, or its shards and their index.

    Args:
      folder: that exists.
      tensors: gives names and tensors, each time in the same order: once for their sizes, then to write them.
      most_bytes: of the tensors of one file; a larger tensor has a file of its own.
      metadata: texts by name, of each file.

    Raises:
      ArchiveError: a tensor has a dtype that the format lacks, or the files cannot be written.
    """
    shards: list[dict[str, tuple[str, tuple[int, ...], int]]] = [{}]
    for name, tensor in tensors():
        if tensor.dtype not in CODES:
            raise ArchiveError(f"safetensors has no dtype for {name}: {tensor.dtype}")
        if shards[-1] and sum(size for _, _, size in shards[-1].values()) + tensor.nbytes > most_bytes:
            shards.append({})
        shards[-1][name] = CODES[tensor.dtype], tensor.shape, tensor.nbytes
    count = len(shards)
    names = [WEIGHTS] if count == 1 else [f"model-{i + 1:05d}-of-{count:05d}.safetensors" for i in range(count)]
    walk = iter(tensors())
    for name, shard in zip(names, shards, strict=True):
        with replace_atomically(folder / name) as path, open(path, "wb") as file:
            file.write(_index(shard, metadata))
            for _ in shard:
                _write(file, next(walk)[1])
    if count > 1:
        total = sum(size for shard in shards for _, _, size in shard.values())
        places = {tensor: name for name, shard in zip(names, shards, strict=True) for tensor in shard}
        content = json.dumps({"metadata": {"total_size": total}, "weight_map": places}, indent=2)
        (folder / SHARDS).write_text(content, encoding="utf-8")


def _index(shard: dict[str, tuple[str, tuple[int, ...], int]], metadata: Mapping[str, str]) -> bytes:
    index: dict[str, object] = {METADATA: {"format": "pt", **metadata}}
    begin = 0
    for name, (code, shape, size) in shard.items():
        index[name] = {"dtype": code, "shape": list(shape), "data_offsets": [begin, begin + size]}
        begin += size
    content = json.dumps(index).encode()
    content += b" " * (-len(content) % ALIGNMENT)
    return len(content).to_bytes(LENGTH_BYTES, "little") + content


def _write(file: BinaryIO, tensor: np.ndarray) -> None:
    file.write(np.ascontiguousarray(tensor).reshape(-1).view(np.uint8).data)
