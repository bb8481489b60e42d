"""Opens a manifest for random access, whatever its encoding, and sums up what is read of it."""

import codecs
import io
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from jaxspeech.data.braces import numbers_of
from jaxspeech.data.chat_lines import holds_chats, lines_of_chats
from jaxspeech.data.cuts import holds_cuts, lines_of_cuts
from jaxspeech.data.files import Location, open_local
from jaxspeech.data.parquet import is_parquet, lines_of_rows, row_groups
from jaxspeech.data.sources import ParsedSource
from jaxspeech.data.tars import read_entries
from jaxspeech.errors import ManifestError
from jaxspeech.manifest_lines import DAMAGE, HEAD_BYTES, as_utf8, check_layout
from jaxspeech.runtime.unicode import to_json


class Opened(NamedTuple):
    """A manifest that is open.

    Attributes:
      file: where its lines begin, in UTF-8.
      containers: the tars, or the row groups, that hold its audio, by the `shard_id` of lines.
    """

    file: io.IOBase
    containers: dict[int, Location]


def open_manifest(source: ParsedSource) -> Opened:
    """Open a manifest: a temporary copy where it is compressed or in UTF-16, or where its lines must be made.

    Raises:
      ManifestError: it is missing, empty or damaged, or has a different layout than one object a line.
    """
    tars = dict(zip(numbers_of([str(tar) for tar in source.tars]), source.tars, strict=True))
    if source.path is None:
        return Opened(_listed(read_entries(source.tars)), tars)
    fields = dict(source.fields)
    if is_parquet(source.path):
        if tars:
            raise ManifestError(f"{source.path}: a Parquet file has its audio itself; leave out tars")
        groups = row_groups(source.path, fields=fields)
        return Opened(_listed(lines_of_rows(source.path, fields=fields)), groups)
    if fields:
        raise ManifestError(f"{source.path}: fields are named for Parquet files, not for manifests; leave them out")
    file = _open_lines(source.path)
    begin = file.tell()
    head = file.read(HEAD_BYTES)
    cuts, chats = holds_cuts(head), holds_chats(head)
    file.seek(begin)
    if chats and tars:
        raise ManifestError(f"{source.path}: the recordings of conversations are read from files, not from tars")
    if chats:
        return Opened(_listed(lines_of_chats(file, source.path)), tars)
    return Opened(_listed(lines_of_cuts(file, source.path)) if cuts else file, tars)


def _listed(lines: Iterable[dict[str, Any] | None]) -> io.IOBase:
    """A temporary file with these lines; None is a blank one."""
    listed = tempfile.TemporaryFile()  # noqa: SIM115  lasts as long as the manifest
    listed.writelines(b"\n" if line is None else to_json(line).encode() + b"\n" for line in lines)
    listed.seek(0)
    return listed


def _open_lines(path: Location) -> io.IOBase:
    """Open a file of JSON lines where these begin, in UTF-8."""
    if isinstance(path, Path) and not path.is_file():
        raise ManifestError(f"{path}: no such manifest")
    file = open_local(path, error=ManifestError)
    if os.fstat(file.fileno()).st_size == 0:
        raise ManifestError(f"{path}: is an empty manifest")
    file.seek(0)
    try:
        plain = as_utf8(file)
        if plain is not file:
            copy = tempfile.TemporaryFile()  # noqa: SIM115  lasts as long as the manifest
            shutil.copyfileobj(plain, copy, 1 << 20)
            copy.flush()
            file = copy
    except (OSError, *DAMAGE) as error:
        raise ManifestError(f"{path}: cannot be read: {error}") from error
    file.seek(0)
    head = file.read(HEAD_BYTES)
    try:
        check_layout(head)
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from error
    file.seek(len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0)
    return file


class Checked(io.IOBase):
    """A file of which every byte that is read enters a checksum, the last of a list."""

    def __init__(self, file: io.IOBase, checksums: list[int]):
        self._file, self._checksums = file, checksums
        checksums.append(0)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._checksums[-1] = zlib.crc32(data, self._checksums[-1])
        return data
