"""Repairs the sizes in the headers of AU and CAF files, which are claims like those of WAV (see `wav`)."""

import struct
from typing import Any

from jaxspeech.audio.pieces import Piece, read_at

AU, CAF = b".snd", b"caff"
_MOST_CHUNKS = 10_000


def repaired_au(file: Any, start: int, size: int) -> list[Piece]:
    """The file with the size of its samples: to the end of the file, since nothing follows them."""
    header = read_at(file, start, 24)
    if len(header) < 24:
        return [(start, size)]
    first = struct.unpack(">I", header[4:8])[0]
    return [header[:8] + struct.pack(">I", min(max(0, size - start - first), 0xFFFFFFFE)), (start + 12, size)]


def repaired_caf(file: Any, start: int, size: int) -> list[Piece]:
    """The file with the size of its samples, where it was never written or is more than there is."""
    place = start + 8
    for _ in range(_MOST_CHUNKS):
        header = read_at(file, place, 12)
        if len(header) < 12:
            break
        length = struct.unpack(">Q", header[4:])[0]
        if header[:4] == b"data":
            if 0 < length <= size - place - 12:
                break
            return [(start, place + 4), struct.pack(">Q", size - place - 12), (place + 12, size)]
        place += 12 + length
    return [(start, size)]
