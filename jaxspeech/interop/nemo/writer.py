"""Writes torch checkpoints without torch: what torch.save writes for a state dict, and what `reader` reads.

    model_weights/data/0, 1, ...    each tensor's values, at multiples of 64 bytes
    model_weights/data.pkl          OrderedDict: name -> _rebuild_tensor_v2(storage, offset, shape, strides, ...)

Tensors are written as they come, one at a time: only their names, types and shapes are kept for the pickle.
"""

import io
import math
import pickle
import struct
import zipfile
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.reader import DTYPES

ROOT = "model_weights"
STORAGES = {dtype: name for name, dtype in DTYPES.items()}
# Torch maps files into memory and needs aligned storages; the padding is an extra field of the zip's header.
ALIGNMENT = 64
PADDING_FIELD = int.from_bytes(b"FB", "little")
LOCAL_HEADER_BYTES = 30


def write_checkpoint(
    stream: io.BufferedIOBase,
    tensors: Iterable[tuple[str, np.ndarray]],
    shared: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Writes a checkpoint at the current position of `stream`.

    Args:
      stream: of a file.
      tensors: names and arrays.
      shared: name of a tensor -> the name of an earlier one that is the same, and whose values it uses.

    Raises:
      ArchiveError: an array has a type that torch does not have.
    """
    target = _Counted(stream)
    index: dict[str, _Entry] = {}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[type-var] (`write` and `tell` are enough)
        for key, (name, tensor) in enumerate(tensors):
            if tensor.dtype not in STORAGES:
                raise ArchiveError(f"{name} has the type {tensor.dtype}, which torch does not have")
            if shared.get(name) in index:
                index[name] = index[shared[name]]
                continue
            member = _aligned(f"{ROOT}/data/{key}", offset=target.tell(), num_bytes=tensor.nbytes)
            with archive.open(member, "w") as data:
                data.write(np.ascontiguousarray(tensor).reshape(-1).view(np.uint8).data)
            index[name] = _Entry(key, tensor.dtype, tensor.shape)
        for name, content in (("data.pkl", _pickled(index)), ("byteorder", b"little"), ("version", b"3\n")):
            archive.writestr(zipfile.ZipInfo(f"{ROOT}/{name}"), content)


class _Entry(NamedTuple):
    """A tensor in the file: the number of its storage, its type and shape."""

    storage: int
    dtype: np.dtype
    shape: tuple[int, ...]


class _Counted:
    """A stream whose position starts at 0; because it cannot seek, zipfile writes strictly in order."""

    def __init__(self, stream: io.BufferedIOBase):
        self._stream, self._count = stream, 0

    def write(self, content: bytes | memoryview) -> int:
        self._count += memoryview(content).nbytes
        return self._stream.write(content)

    def tell(self) -> int:
        return self._count

    def flush(self) -> None:
        self._stream.flush()


def _aligned(name: str, *, offset: int, num_bytes: int) -> zipfile.ZipInfo:
    """The zip entry `name` with its header at `offset`, padded so that the content is aligned."""
    member = zipfile.ZipInfo(name)
    member.file_size = num_bytes  # for 2 GiB and more, zipfile needs it before the content
    padding = -(offset + LOCAL_HEADER_BYTES + len(name) + 4) % ALIGNMENT
    member.extra = struct.pack("<HH", PADDING_FIELD, padding) + bytes(padding)
    return member


def _pickled(index: Mapping[str, _Entry]) -> bytes:
    """Pickles the state dict (protocol 2)."""
    empty = pickle.EMPTY_TUPLE + pickle.REDUCE
    ordered_dict = _global("collections", "OrderedDict") + empty
    parts = [pickle.PROTO + b"\x02", ordered_dict, pickle.MARK]
    for name, (key, dtype, shape) in index.items():
        kind = _global("torch", STORAGES[dtype])
        storage = _tuple(_text("storage"), kind, _text(str(key)), _text("cpu"), _integer(math.prod(shape)))
        # Offset, shape, strides in elements, no gradient, no hooks.
        strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
        arguments = [storage + pickle.BINPERSID, _integer(0), _integers(shape), _integers(strides)]
        arguments += [pickle.NEWFALSE, ordered_dict]
        tensor = _global("torch._utils", "_rebuild_tensor_v2") + _tuple(*arguments) + pickle.REDUCE
        parts.append(_text(name) + tensor)
    return b"".join([*parts, pickle.SETITEMS, pickle.STOP])


def _global(module: str, name: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def _text(value: str) -> bytes:
    content = value.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(content)) + content


def _integer(value: int) -> bytes:
    if value < 2**31:
        return pickle.BININT + struct.pack("<i", value)
    return pickle.LONG1 + b"\x08" + struct.pack("<q", value)


def _integers(values: Iterable[int]) -> bytes:
    return _tuple(*map(_integer, values))


def _tuple(*items: bytes) -> bytes:
    return pickle.MARK + b"".join(items) + pickle.TUPLE
