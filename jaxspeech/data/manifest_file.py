"""Opens a manifest for random access, whatever its encoding, and sums up what is read of it."""

import codecs
import io
import os
import shutil
import tempfile
import zlib
from pathlib import Path

from jaxspeech.data.files import open_local
from jaxspeech.data.sources import ParsedSource
from jaxspeech.data.tars import read_entries
from jaxspeech.errors import ManifestError
from jaxspeech.manifest_lines import DAMAGE, HEAD_BYTES, as_utf8, check_layout
from jaxspeech.runtime.unicode import to_json


def open_manifest(source: ParsedSource) -> io.IOBase:
    """Open a manifest where its lines begin, in UTF-8: a temporary copy where it is compressed or in UTF-16.

    Raises:
      ManifestError: it is missing, empty or damaged, or has a different layout than one object a line.
    """
    if source.path is None:
        listed = tempfile.TemporaryFile()  # noqa: SIM115  lasts as long as the manifest
        listed.writelines(to_json(entry).encode() + b"\n" for entry in read_entries(source.tars))
        listed.seek(0)
        return listed
    path = source.path
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
