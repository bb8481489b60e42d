"""Finds the samples of WAV, RF64 and AIFF files, whatever their headers claim about sizes.

A file is a list of chunks (name, size, content). The size of the samples' chunk is a claim: a recorder writes it when
it closes the file, a program that writes to a pipe never can (0, 0xFFFFFFFF, 0x7FFFFFFF).

Sources: Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0" (1991); EBU Tech 3306 (RF64);
Apple, "Audio Interchange File Format" (1989).
"""

import struct
from typing import Any, NamedTuple

from jaxspeech.audio.pieces import Piece, read_at

MAGIC = (b"RIFF", b"RF64", b"BW64", b"FORM", b"RIFX")
# Values of a size that was never written.
UNWRITTEN = (0, 0xFFFFFFFF, 0x7FFFFFFF)
# More bytes than this many seconds of samples after the last chunk are samples that the header does not count.
UNCOUNTED_SECONDS = 1.0
_MOST_CHUNKS = 10_000


class Wav(NamedTuple):
    """One WAV, RF64 or AIFF recording within a file.

    Attributes:
      pieces: the recording with right sizes.
      repaired: whether `pieces` differ from the file.
      data: (start, end) of its samples.
      encoding: WAV's number of the samples' format: 1 PCM, 3 float, 85 MP3, ...; 0 in AIFF.
      end: where the recording ends, and perhaps another one begins.
    """

    pieces: list[Piece]
    repaired: bool
    data: tuple[int, int]
    encoding: int
    end: int


def find_wav(file: Any, start: int, size: int) -> Wav | None:
    """Returns the recording that begins at `start` in a file of `size` bytes; None if it has no samples' chunk."""
    head = read_at(file, start, 12)
    order = ">" if head[:4] in (b"FORM", b"RIFX") else "<"
    name = b"SSND" if head[:4] == b"FORM" else b"data"
    wide = head[:4] in (b"RF64", b"BW64")
    place, encoding, byte_rate, ds64 = start + 12, 0, 0, 0
    for _ in range(_MOST_CHUNKS):
        header = read_at(file, place, 8)
        if len(header) < 8:
            return None
        chunk, length = header[:4], struct.unpack(order + "I", header[4:])[0]
        if chunk == name:
            break
        if chunk == b"fmt ":
            fmt = read_at(file, place + 8, min(length, 40))
            if len(fmt) >= 16:
                encoding, byte_rate = struct.unpack(order + "H", fmt[:2])[0], struct.unpack(order + "I", fmt[8:12])[0]
            if encoding == 0xFFFE and len(fmt) >= 26:
                encoding = struct.unpack(order + "H", fmt[24:26])[0]
        elif chunk == b"COMM":
            comm = read_at(file, place + 8, 18)
            byte_rate = _aiff_byte_rate(comm)
        elif chunk == b"ds64":
            ds64 = place
        place += 8 + length + length % 2
    else:
        return None
    first = place + 8
    claimed = length
    if wide and ds64 and length == 0xFFFFFFFF:
        claimed = struct.unpack("<Q", read_at(file, ds64 + 16, 8).ljust(8, b"\0"))[0]
    end, last = _end(file, first, claimed, size, order, byte_rate)
    if end - first == claimed and last == size and start == 0:
        return Wav([(0, size)], False, (first, end), encoding, size)
    if wide and ds64:
        sizes = struct.pack("<QQ", end - start - 8, end - first)
        kept = read_at(file, start + 8, ds64 + 8 - start - 8)
        opening = [b"RF64\xff\xff\xff\xff", kept, sizes, (ds64 + 24, place), name + b"\xff\xff\xff\xff"]
    else:
        sizes = [struct.pack(order + "I", min(n, 0xFFFFFFFF)) for n in (end - start - 8, end - first)]
        opening = [head[:4] + sizes[0], (start + 8, place), name + sizes[1]]
    return Wav([*opening, (first, end)], True, (first, end), encoding, last)


def _end(file: Any, first: int, claimed: int, size: int, order: str, byte_rate: int) -> tuple[int, int]:
    """The end of the samples, and the end of the recording with the chunks after them."""
    after = first + claimed
    if after >= size:
        return size, size
    last = _skip_chunks(file, after + claimed % 2, size, order)
    if claimed in UNWRITTEN and (last < size or claimed):
        return size, size
    if last < size and read_at(file, last, 4) not in MAGIC and size - last > UNCOUNTED_SECONDS * max(byte_rate, 2000):
        return size, size
    return after, last


def _skip_chunks(file: Any, place: int, size: int, order: str) -> int:
    """The end of the chunks that begin at `place`: the end of the file, the next recording, or what is no chunk."""
    for _ in range(_MOST_CHUNKS):
        header = read_at(file, place, 8)
        if len(header) < 8:
            return size
        length = struct.unpack(order + "I", header[4:])[0]
        if header[:4] in MAGIC or not all(32 <= letter < 127 for letter in header[:4]) or place + 8 + length > size:
            return place
        place += 8 + length + length % 2
    return place


def _aiff_byte_rate(comm: bytes) -> int:
    """Bytes a second, from AIFF's COMM chunk, whose rate is an 80-bit float."""
    if len(comm) < 18:
        return 0
    channels, _, bits, exponent, mantissa = struct.unpack(">HIHHQ", comm)
    rate = mantissa * 2.0 ** ((exponent & 0x7FFF) - 16383 - 63) if exponent & 0x7FFF < 16383 + 40 else 0.0
    return int(channels * rate * bits / 8)
