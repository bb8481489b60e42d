"""Finds the true number of samples in FLAC files, whose headers may say 0 (unknown, written to a pipe) or be wrong.

Each frame's header has the number of its first sample (or its own number) and a checksum, so the last frame of the file
gives the length without decoding anything.

Source: RFC 9639.
"""

import functools
from typing import Any, NamedTuple

from jaxspeech.audio.pieces import Piece, read_at

MAGIC = b"fLaC"
# What a recording begins with: the name, and a block of 34 bytes with the sizes, the last block or not.
_OPENINGS = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")
_HEADER = 42
_UNKNOWN = 2**36 - 1
_WINDOW = 1 << 16


class Frame(NamedTuple):
    """A FLAC frame's place in the file, its first sample, and its number of samples."""

    place: int
    first: int
    count: int


class Flac(NamedTuple):
    """A FLAC recording within a file, with the true number of samples in its header.

    Attributes:
      pieces: its bytes.
      repaired: whether the header was wrong.
      missing: whether the header counts samples that are not there.
    """

    pieces: list[Piece]
    repaired: bool
    missing: bool


def find_flac(file: Any, start: int, end: int) -> Flac | None:
    """Returns the recording in this range of a file; None if its header is too damaged to say."""
    header = read_at(file, start, _HEADER)
    if len(header) < _HEADER or not header.startswith(_OPENINGS):
        return None
    claimed = int.from_bytes(header[18:26], "big") & _UNKNOWN
    smallest, largest = int.from_bytes(header[8:10], "big"), int.from_bytes(header[10:12], "big")
    fixed = largest if smallest == largest else 0
    last = _last_frame(file, start + _HEADER, end, fixed or largest)
    if last is None or last.first + last.count == claimed:
        return Flac([(start, end)], False, False)
    whole = _is_complete(file, last, end)
    total = last.first + (last.count if whole else 0)
    if 0 < total < claimed < _UNKNOWN and not (whole and last.count < largest):
        return Flac([(start, end)], False, True)
    numbers = (int.from_bytes(header[18:26], "big") & ~_UNKNOWN) | total
    # An incomplete frame at the end would be an error.
    return Flac([header[:18] + numbers.to_bytes(8, "big"), (start + 26, end if whole else last.place)], True, False)


def find_ends(file: Any, size: int) -> list[int]:
    """The places, few and in order, where the last frame of a recording at the start of a file may end.

    What follows it may look like a damaged frame. The frame's checksum fits at its end, and elsewhere by chance.
    """
    header = read_at(file, 0, _HEADER)
    last = _last_frame(file, _HEADER, size, int.from_bytes(header[10:12], "big")) if len(header) == _HEADER else None
    if last is None:
        return []
    ends, value, table = [], 0, _table(16, 0x8005)
    for place, byte in enumerate(read_at(file, last.place, min(size - last.place, 1 << 20)), last.place + 1):
        value = (value << 8 & 0xFFFF) ^ table[value >> 8 ^ byte]
        if value == 0 and place - last.place > 8:
            ends.append(place)
    return ends[:8]


def find_joined(file: Any, start: int, size: int) -> list[tuple[int, int]]:
    """Returns the (start, end) of each FLAC recording in a file: several where files were joined."""
    starts, place, tail = [start], start, b""
    while data := read_at(file, place, 1 << 22):
        window = tail + data
        found = window.find(MAGIC)
        while found >= 0:
            if window.startswith(_OPENINGS, found):
                starts.append(place - len(tail) + found)
            found = window.find(MAGIC, found + 1)
        place, tail = place + len(data), window[-7:]
    starts = sorted(set(starts))
    return list(zip(starts, [*starts[1:], size], strict=True))


def _last_frame(file: Any, start: int, end: int, block: int) -> Frame | None:
    """The last frame that ends where the frame after it begins, or begins where the frame before it ends."""
    following = None
    place = end
    while place > start:
        lower = max(start, place - _WINDOW)
        data = read_at(file, lower, min(end, place + 16) - lower)
        found = data.rfind(b"\xff")
        while found >= 0:
            frame = _frame(data, found, block, lower)
            if frame is not None and lower + found < place:
                if frame.first == 0 or (following is not None and frame.first + frame.count == following.first):
                    return following or frame
                if following is None or frame.first < following.first:
                    following = frame
            found = data.rfind(b"\xff", 0, found)
        place = lower
    return following


def _frame(data: bytes, i: int, block: int, base: int) -> Frame | None:
    """The frame whose header begins at data[i]; None if none does."""
    if i + 6 > len(data) or data[i + 1] & 0xFE != 0xF8 or data[i + 3] & 1:
        return None
    size_code, rate_code, channel_code, bits_code = (
        data[i + 2] >> 4,
        data[i + 2] & 15,
        data[i + 3] >> 4,
        data[i + 3] >> 1 & 7,
    )
    if size_code == 0 or rate_code == 15 or channel_code > 10 or bits_code == 3:
        return None
    lead = data[i + 4]
    extra = 0 if lead < 0x80 else 7 - (lead ^ 0xFF).bit_length()
    if lead >= 0x80 and not 1 <= extra <= 6:
        return None
    number = lead if lead < 0x80 else lead & (0x3F >> extra)
    place = i + 5
    for _ in range(extra):
        if place >= len(data) or data[place] & 0xC0 != 0x80:
            return None
        number = number << 6 | data[place] & 0x3F
        place += 1
    bytes_of_size = {6: 1, 7: 2}.get(size_code, 0)
    stated = int.from_bytes(data[place : place + bytes_of_size], "big") + 1
    place += bytes_of_size + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if place >= len(data) or _crc(data[i:place], 8, 0x07) != data[place]:
        return None
    if size_code in (6, 7):
        count = stated
    elif size_code == 1:
        count = 192
    else:
        count = 576 << (size_code - 2) if size_code < 6 else 256 << (size_code - 8)
    return Frame(base + i, number if data[i + 1] & 1 else number * block, count)


def _is_complete(file: Any, frame: Frame, end: int) -> bool:
    """Whether a frame ends with its checksum, at the end of the file or before what follows it."""
    data = read_at(file, frame.place, min(end - frame.place, 1 << 20))
    return _crc(data, 16, 0x8005) == 0 or _ends_within(data)


def _ends_within(data: bytes) -> bool:
    """Whether a checksum fits at one of the ends that tags after the last frame leave."""
    marks = (data.rfind(mark) for mark in (b"TAG", b"APETAGEX", b"ID3"))
    return any(mark > 16 and _crc(data[:mark], 16, 0x8005) == 0 for mark in marks)


def _crc(data: bytes, bits: int, polynomial: int) -> int:
    table, top, mask = _table(bits, polynomial), bits - 8, (1 << bits) - 1
    value = 0
    for byte in data:
        value = (value << 8 & mask) ^ table[value >> top ^ byte]
    return value


@functools.cache
def _table(bits: int, polynomial: int) -> tuple[int, ...]:
    mask, high = (1 << bits) - 1, 1 << (bits - 1)

    def entry(byte: int) -> int:
        value = byte << (bits - 8)
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & high else value << 1) & mask
        return value

    return tuple(entry(byte) for byte in range(256))
