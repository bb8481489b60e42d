"""Reads torch checkpoints without torch: a zip of a pickle, which describes the tensors, and of their storages.

The pickle is never trusted. It may use only the opcodes that a dict of tensors needs, and only the few names below,
none of which runs torch's code. Sizes are checked against the zip's members before anything is allocated. Elements are
read on demand, so that one tensor at a time is in memory.
"""

import io
import math
import pickle
import pickletools
import zipfile
from collections.abc import Callable
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from jaxspeech.errors import ArchiveError

DTYPES = {
    "DoubleStorage": np.dtype(np.float64),
    "FloatStorage": np.dtype(np.float32),
    "HalfStorage": np.dtype(np.float16),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype(np.int64),
    "IntStorage": np.dtype(np.int32),
    "ShortStorage": np.dtype(np.int16),
    "CharStorage": np.dtype(np.int8),
    "ByteStorage": np.dtype(np.uint8),
    "BoolStorage": np.dtype(np.bool_),
}
# The opcodes that torch.save writes for a state dict (protocol 2), and those of simple values.
OPCODES = {
    *("PROTO", "STOP", "MARK", "POP", "POP_MARK", "GLOBAL", "REDUCE", "BUILD", "BINPERSID"),
    *("EMPTY_DICT", "SETITEM", "SETITEMS", "DICT", "EMPTY_LIST", "APPEND", "APPENDS", "LIST"),
    *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
    *("BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "NONE", "NEWTRUE", "NEWFALSE"),
    *("BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"),
}
LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
LARGEST_PICKLE_BYTES = 1 << 26
# The exceptions that unpickling and reading a zip raise for damaged input.
DAMAGE = (zipfile.BadZipFile, pickle.UnpicklingError, ValueError, KeyError, TypeError, IndexError, AttributeError)
DAMAGE += (EOFError, OSError, OverflowError, MemoryError, RuntimeError, RecursionError)


def read_checkpoint(stream: io.BufferedIOBase) -> "dict[str, StoredTensor]":
    """Returns the tensors of a checkpoint by name; they can be read while `stream` is open.

    Raises:
      ArchiveError: it is not a torch checkpoint, is damaged, or holds anything but tensors.
    """
    try:
        if stream.read(len(LEGACY_MAGIC)) == LEGACY_MAGIC:
            raise ArchiveError("the weights are in torch's format from before 1.6: load and torch.save them again")
        return _read_index(zipfile.ZipFile(stream))
    except DAMAGE as error:
        raise _as_archive_error(error) from error


def _as_archive_error(error: Exception) -> ArchiveError:
    if isinstance(error, ArchiveError):
        return error
    return ArchiveError(f"the weights are not a torch checkpoint, or damaged ({error})")


def _read_index(archive: zipfile.ZipFile) -> "dict[str, StoredTensor]":
    members = {member.filename: member for member in archive.infolist()}
    for name, member in members.items():
        if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
            raise ArchiveError(f"member {name!r} of the weights is compressed")
    pickles = [name for name in members if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ArchiveError("the weights are not a torch checkpoint (no data.pkl)")
    root = pickles[0].removesuffix("data.pkl")
    if f"{root}byteorder" in members and archive.read(f"{root}byteorder") != b"little":
        raise ArchiveError("the weights were written on a big-endian machine")
    content = _checked_pickle(archive, members[pickles[0]])
    tensors = _TensorUnpickler(content, archive, root).load()
    if not isinstance(tensors, dict):
        raise ArchiveError(f"the weights are a {type(tensors).__name__}, not a dict of tensors")
    for name, value in tensors.items():
        if not isinstance(name, str) or not isinstance(value, StoredTensor):
            raise ArchiveError(f"{name!r} in the weights is a {type(value).__name__}, not a tensor")
    return dict(tensors)


def _checked_pickle(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Reads the pickle, and checks that it has only opcodes that tensors need."""
    if member.file_size > LARGEST_PICKLE_BYTES:
        raise ArchiveError(f"the weights' index has {member.file_size} bytes")
    content = archive.read(member)
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name not in OPCODES:
            raise ArchiveError(f"the weights' pickle has the opcode {opcode.name}, which tensors do not need: refused")
        # The unpickler allocates its memo for the largest index.
        if opcode.name == "LONG_BINPUT" and int(argument or 0) > len(content):
            raise ArchiveError("the weights' pickle is damaged")
    return content


class _Storage(NamedTuple):
    """One-dimensional memory in the file, of which tensors are views."""

    archive: zipfile.ZipFile
    member: str
    dtype: np.dtype
    size: int

    def read(self) -> np.ndarray:
        return np.frombuffer(self.archive.read(self.member), self.dtype)


class StoredTensor(NamedTuple):
    """A tensor in the file; `np.asarray` reads it from the file each time. Offset and strides are in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype:
        """Of its values."""
        return self.storage.dtype

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        try:
            data = self.storage.read()
        except DAMAGE as error:
            raise _as_archive_error(error) from error
        strides = [stride * data.itemsize for stride in self.strides]
        view = np.lib.stride_tricks.as_strided(data[self.offset :], self.shape, strides, writeable=False)
        return view.astype(dtype or data.dtype, copy=bool(copy))


class _Name:
    """A global that the pickle may name; it can only be called (BUILD would set attributes)."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]):
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it changes a function: refused")


class _StateDict(dict):
    """Stands for torch's OrderedDict; drops the version numbers that it has as attributes."""

    def __setstate__(self, state: Any) -> None:
        pass


class _TensorUnpickler(pickle.Unpickler):
    """Unpickles tensors and dicts, lists, tuples, numbers and strings."""

    def __init__(self, content: bytes, archive: zipfile.ZipFile, root: str):
        super().__init__(io.BytesIO(content))
        self._archive, self._root = archive, root
        self._storages: dict[str, _Storage] = {}
        self._names: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): _Name(_StateDict),
            ("torch._utils", "_rebuild_tensor_v2"): _Name(_rebuild_tensor),
            ("torch._utils", "_rebuild_parameter"): _Name(lambda data, requires_grad, hooks: data),
        } | {("torch", name): name for name in DTYPES}

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        try:
            return self._names[module_name, global_name]
        except KeyError:
            name = f"{module_name}.{global_name}"
            raise ArchiveError(f"the weights' pickle names {name}, which is not a tensor: refused") from None

    def persistent_load(self, pid: Any, /) -> _Storage:
        kind, storage, key, _, size = pid
        if kind != "storage" or not isinstance(key, str) or not isinstance(size, int):
            raise pickle.UnpicklingError("a reference to something that is not a storage")
        if key not in self._storages:
            dtype, name = DTYPES[storage], f"{self._root}data/{key}"
            expected = size * dtype.itemsize
            if self._archive.getinfo(name).file_size != expected:
                raise ArchiveError(f"{name} in the weights does not have the {expected} bytes it should have")
            self._storages[key] = _Storage(self._archive, name, dtype, size)
        return self._storages[key]


def _rebuild_tensor(
    storage: Any,
    offset: Any,
    shape: Any,
    strides: Any,
    requires_grad: Any = False,
    hooks: Any = None,
    metadata: Any = None,
) -> StoredTensor:
    """Makes the view of `storage` that starts at `offset`; it must lie inside the storage."""
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or len(shape) != len(strides):
        raise pickle.UnpicklingError("a tensor without its storage")
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise pickle.UnpicklingError("a tensor with an invalid shape")
    num_elements = math.prod(shape)
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    if num_elements > storage.size or (num_elements and last >= storage.size):
        raise ArchiveError("a tensor of the weights is larger than its storage")
    return StoredTensor(storage, offset if num_elements else 0, tuple(shape), tuple(strides))
