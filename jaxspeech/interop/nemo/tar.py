"""Writes a plain tar, the format of .nemo files, member by member; no size has to be known in advance.

    header (512 bytes), content, zeros up to a multiple of 512        for each member
    zeros up to a multiple of 10240                                   at the end

The header of a member, which holds its size, is written after its content.
"""

import io
import tarfile
from collections.abc import Callable


def add_member(stream: io.BufferedIOBase, name: str, write: Callable[[io.BufferedIOBase], object]) -> None:
    """Adds what `write` writes as the member ./`name`, without a date or an owner. The stream must be able to seek."""
    start = stream.tell()
    stream.write(bytes(tarfile.BLOCKSIZE))
    write(stream)
    end = stream.tell()
    member = tarfile.TarInfo(f"./{name}")
    member.size = end - start - tarfile.BLOCKSIZE
    stream.seek(start)
    stream.write(member.tobuf(tarfile.GNU_FORMAT))  # the format without a limit of 8 GiB
    stream.seek(end)
    stream.write(bytes(-end % tarfile.BLOCKSIZE))


def end_tar(stream: io.BufferedIOBase) -> None:
    """Writes the end of the tar."""
    stream.write(bytes(2 * tarfile.BLOCKSIZE))
    stream.write(bytes(-stream.tell() % tarfile.RECORDSIZE))
