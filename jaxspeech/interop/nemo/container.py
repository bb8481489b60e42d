"""Opens .nemo files: tars, plain or gzipped, of model_config.yaml, model_weights.ckpt and the tokenizer's files.

Members are read by exact name, with or without a leading "./"; nothing is ever unpacked to disk.
"""

import gzip
import io
import tarfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.old_layout import in_present_layout
from jaxspeech.interop.nemo.plain_yaml import CONFIG, parse_yaml

WEIGHTS = "model_weights.ckpt"
# The same of a second model in the file, which aligns the texts of the first one.
ALIGNER_CONFIG, ALIGNER_WEIGHTS = "timestamps_asr_model_config.yaml", "timestamps_asr_model_weights.ckpt"
GZIP_MAGIC = b"\x1f\x8b"
# Weights hardly compress; a higher ratio is a decompression bomb.
LARGEST_GZIP_RATIO, ALWAYS_ALLOWED_BYTES = 32, 1 << 26
TAR_DAMAGE = (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, OverflowError)


class NemoFile:
    """An open .nemo file; its errors are ArchiveErrors without the path, which the caller adds."""

    def __init__(self, path: Path):
        self._stream = open(path, "rb")  # noqa: SIM115 (this class is the context manager)
        try:
            stream, num_bytes = self._decompressed(path.stat().st_size)
            self._tar = tarfile.TarFile(fileobj=stream)
            self._members = _checked_members(self._tar.getmembers(), num_bytes)
        except TAR_DAMAGE as error:
            self._stream.close()
            raise error if isinstance(error, ArchiveError) else ArchiveError(f"not a .nemo file ({error})") from error

    def __enter__(self) -> "NemoFile":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._stream.close()

    @property
    def names(self) -> Collection[str]:
        """The names of its members, without a leading "./"."""
        return self._members.keys()

    def open(self, name: str) -> io.BufferedIOBase:
        """Opens a member as a seekable stream."""
        if name not in self._members:
            raise ArchiveError(f"it has no member {name!r}")
        stream = self._tar.extractfile(self._members[name])
        assert stream is not None  # a regular file, as was checked
        return stream  # type: ignore[return-value]

    def read(self, name: str) -> bytes:
        """Reads the content of a member."""
        try:
            return self.open(name).read()
        except TAR_DAMAGE as error:
            raise error if isinstance(error, ArchiveError) else ArchiveError(f"{name}: {error}") from error

    def config(self, name: str = CONFIG) -> dict[str, Any]:
        """Reads model_config.yaml, or another configuration of a model, in the present layout."""
        return in_present_layout(parse_yaml(self.read(name)))

    def _decompressed(self, num_bytes: int) -> tuple[io.BufferedIOBase, int]:
        """Returns the uncompressed tar and its size in bytes."""
        magic = self._stream.read(len(GZIP_MAGIC))
        self._stream.seek(0)
        if magic != GZIP_MAGIC:
            return self._stream, num_bytes
        allowed = max(LARGEST_GZIP_RATIO * num_bytes, ALWAYS_ALLOWED_BYTES)
        content = gzip.GzipFile(fileobj=self._stream).read(allowed + 1)
        if len(content) > allowed:
            raise ArchiveError(f"its {num_bytes} bytes unpack to more than {allowed}")
        return io.BytesIO(content), len(content)


def _checked_members(members: list[tarfile.TarInfo], num_bytes: int) -> dict[str, tarfile.TarInfo]:
    """Returns regular files by their plain name; refuses names that lead outside, duplicates, links and devices."""
    files: dict[str, tarfile.TarInfo] = {}
    for member in members:
        path = PurePosixPath(member.name)
        name = str(path)
        if path.is_absolute() or ".." in path.parts or "\\" in name:
            raise ArchiveError(f"member {member.name!r} leads outside")
        if member.isdir():
            continue
        if not member.isfile() or member.issparse():
            raise ArchiveError(f"member {member.name!r} is not a regular file")
        if name in files:
            raise ArchiveError(f"two members are called {name!r}")
        if member.offset_data + member.size > num_bytes:
            raise ArchiveError(f"member {member.name!r} is cut off: the file is incomplete")
        files[name] = member
    return files
