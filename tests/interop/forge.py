"""Writes .nemo files and torch checkpoints byte by byte, valid and hostile ones, without torch."""

import io
import struct
import tarfile
import zipfile
from typing import Any


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def integer(value: int) -> bytes:
    return b"J" + struct.pack("<i", value) if abs(value) < 2**31 else b"\x8a\x08" + struct.pack("<q", value)


def values(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + values(*arguments) + b"R"


def storage(key: str, size: int, kind: str = "FloatStorage") -> bytes:
    return values(text("storage"), name("torch", kind), text(key), text("cpu"), integer(size)) + b"Q"


def tensor(memory: bytes, shape: Any, strides: Any, offset: int = 0) -> bytes:
    arguments = [memory, integer(offset), values(*map(integer, shape)), values(*map(integer, strides))]
    hooks = call(name("collections", "OrderedDict"))
    return call(name("torch._utils", "_rebuild_tensor_v2"), *arguments, b"\x89", hooks)


def state_dict(**tensors: bytes) -> bytes:
    items = b"".join(text(key) + value for key, value in tensors.items())
    return b"\x80\x02" + call(name("collections", "OrderedDict")) + b"(" + items + b"u."


def checkpoint(pickle: bytes, storages: dict[str, bytes], *, compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickle)
        for key, content in storages.items():
            archive.writestr(f"archive/data/{key}", content)
    return stream.getvalue()


def tar(members: dict[str, bytes], *, mode: str = "w", prefix: str = "./") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for member, content in members.items():
            info = tarfile.TarInfo(prefix + member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def untar(content: bytes) -> dict[str, bytes]:
    """Reads the members of a .nemo file by plain name."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {m.name.removeprefix("./"): archive.extractfile(m).read() for m in archive if m.isfile()}
