"""Finds all frames of MPEG audio (MP3), whose headers may say nothing about their number, or claim a wrong one.

    file = [ID3v2] [frame with "Xing" or "Info": number of frames] frame frame ... [APE] [ID3v1]

A file written to a pipe has no such first frame, and decoders then estimate the length from the first frames' bit
rate. Here the frames are counted, by their headers alone, and a right first frame is put before them. Where files were
joined, each part is one recording.

Sources: ISO/IEC 11172-3 and 13818-3; the Xing and LAME tags as LAME and mpg123 write and read them.
"""

import struct
from typing import Any, NamedTuple

from jaxspeech.audio.pieces import Piece, read_at

_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KILOBITS = {
    (True, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 1): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
# Frames that must follow one another where the stream is lost and found again.
_SURE = 3
# Encoders do not agree on whether the first frame counts.
_ROUNDING = 2
# The first frame is looked for in this many bytes.
_SEARCHED = 1 << 16


class Run(NamedTuple):
    """Frames of one format, one after the other: one recording.

    Attributes:
      ranges: (start, end) of the bytes, without what lies between.
      frames: their number, without a first frame that holds the number.
      claimed: the number of frames in its first frame; None if it has none.
      header: of its first frame.
    """

    ranges: list[tuple[int, int]]
    frames: int
    claimed: int | None
    header: bytes


def size_of(header: bytes) -> int:
    """The bytes of the frame that begins with this header of 4 bytes; 0 if it is none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer, bit_rate, rate = header[1] >> 3 & 3, header[1] >> 1 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 0 or bit_rate in (0, 15) or rate == 3:
        return 0
    kilobits, hertz, padding = _KILOBITS[version == 3, layer][bit_rate - 1], _RATES[version][rate], header[2] >> 1 & 1
    if layer == 3:
        return (12000 * kilobits // hertz + padding) * 4
    return (144000 if layer == 2 or version == 3 else 72000) * kilobits // hertz + padding


def begins_at(file: Any, start: int) -> int | None:
    """Returns where the first of several frames begins, at most 64 KB after `start`; None if there are none."""
    data = read_at(file, start, _SEARCHED)
    if _is_sure(data, 0, whole=len(data) < _SEARCHED, frames=2):
        return start
    return next((start + i for i in _syncs(data, 0) if _is_sure(data, i, whole=len(data) < _SEARCHED)), None)


def find_runs(file: Any, start: int, end: int) -> list[Run] | None:
    """Returns the recordings in this range of a file; None if the first frame's claim fits the size.

    The whole range is read, unless that claim fits.
    """
    if _claim_fits(file, start, end):
        return None
    data = read_at(file, start, end - start)
    runs: list[Run] = []
    sizes: dict[bytes, int] = {}
    kind, begin, i, frames = None, 0, 0, 0
    current: Run | None = None

    def close() -> None:
        nonlocal frames
        if current is not None and i > begin:
            current.ranges.append((start + begin, start + i))
            runs[-1] = current._replace(frames=runs[-1].frames + frames)
        frames = 0

    while i + 4 <= len(data):
        header = data[i : i + 4]
        key = header[:3]
        size = sizes.get(key)
        if size is None:
            size = sizes[key] = size_of(header)
        # The version, layer and rate, and whether it is mono.
        this = (header[1] & 0xFE, header[2] & 0x0C, header[3] & 0xC0 == 0xC0)
        if size and this == kind and i + size <= len(data) and not _is_tag(data, i, size):
            i += size
            frames += 1
            continue
        if size and i + size > len(data) and this == kind:
            break  # cut within the last frame
        if not size or not _is_sure(data, i, whole=True):
            close()
            found = next((j for j in _syncs(data, _after_tag(data, i)) if _is_sure(data, j, whole=True)), None)
            if found is None:
                i = begin = len(data)
                break
            begin = i = found
            continue
        close()
        begin = i
        tagged = _is_tag(data, i, size)
        if tagged or this != kind:
            kind = this
            claim = _claim(data[i : i + size])[0] if tagged else None
            current = Run([], 0, claim, header)
            runs.append(current)
        current = runs[-1]
        i += size
        frames = 0 if tagged else 1
    close()
    return [run for run in runs if run.frames]


def repaired(run: Run) -> list[Piece]:
    """The recording's bytes, with a first frame that has the right number of frames."""
    if run.claimed is not None and abs(run.claimed - run.frames) <= _ROUNDING:
        return list(run.ranges)
    ranges: list[Piece] = list(run.ranges)
    if run.claimed is not None:  # a wrong one is replaced
        start, end = run.ranges[0]
        ranges[0] = (start + size_of(run.header), end)
    if run.header[1] >> 1 & 3 != 1:  # only layer III has such frames
        return ranges
    return [_first_frame(run.header, run.frames), *ranges]


def _first_frame(header: bytes, frames: int) -> bytes:
    tag = b"\0" * _side_info(header) + b"Info" + struct.pack(">II", 1, frames)
    openings = (bytes([0xFF, header[1] | 1, bits << 4 | header[2] & 0x0C, header[3]]) for bits in range(1, 15))
    opening = next(opening for opening in openings if size_of(opening) >= 4 + len(tag))  # the smallest with room for it
    return (opening + tag).ljust(size_of(opening), b"\0")


def _side_info(header: bytes) -> int:
    """The bytes between a frame's header and the name of a first frame."""
    first_version, mono = header[1] >> 3 & 3 == 3, header[3] & 0xC0 == 0xC0
    return (17 if mono else 32) if first_version else (9 if mono else 17)


def _claim_fits(file: Any, start: int, end: int) -> bool:
    """Whether the first frame's number of bytes is that of the file, but for tags at its end."""
    first = read_at(file, start, 4)
    frames, size = _claim(read_at(file, start, size_of(first)))
    if not frames or not size:
        return False
    tail = read_at(file, max(start, end - 128), 128)
    return start + size in (end, end - 128 if tail.startswith(b"TAG") else end)


def _claim(frame: bytes) -> tuple[int | None, int | None]:
    """The numbers of frames and bytes in a first frame; None where it has none."""
    if len(frame) < 4:
        return None, None
    side = _side_info(frame)
    if frame[4 + side : 8 + side] in (b"Xing", b"Info") and len(frame) >= side + 12:
        flags = struct.unpack_from(">I", frame, 8 + side)[0]
        numbers = [int.from_bytes(frame[place : place + 4], "big") for place in (12 + side, 16 + side)]
        return (numbers[0] if flags & 1 else None), (numbers[1] if flags & 3 == 3 else None)
    if frame[36:40] == b"VBRI" and len(frame) >= 54:
        size, frames = struct.unpack_from(">II", frame, 46)
        return frames, size
    return None, None


def _is_tag(data: bytes, i: int, size: int) -> bool:
    """Whether this frame is a first one, with a number of frames instead of sound."""
    side = _side_info(data[i : i + 4])
    return size >= 44 and (data[i + 4 + side : i + 8 + side] in (b"Xing", b"Info") or data[i + 36 : i + 40] == b"VBRI")


def _syncs(data: bytes, i: int) -> Any:
    """Yields the places of headers."""
    i = data.find(b"\xff", i)
    while i >= 0:
        if size_of(data[i : i + 4]):
            yield i
        i = data.find(b"\xff", i + 1)


def _is_sure(data: bytes, i: int, *, whole: bool, frames: int = _SURE) -> bool:
    """Whether several frames of one format follow, or fewer if the data ends with them."""
    kind = None
    for _ in range(frames):
        header = data[i : i + 4]
        size, this = size_of(header), (header[1:2], header[2:3] and header[2] & 0x0C)
        if not size or (kind is not None and this != kind):
            return False
        kind = this
        i += size
        if i >= len(data):
            return i == len(data) or not whole
        if data[i : i + 3] in (b"TAG", b"ID3", b"APE"):
            return True
    return True


def _after_tag(data: bytes, i: int) -> int:
    """The end of the tag at data[i], or the next byte."""
    if data[i : i + 3] == b"ID3" and len(data) >= i + 10:
        return i + id3_size(data[i : i + 10])
    return i + (128 if data[i : i + 3] == b"TAG" else 1)


def id3_size(header: bytes) -> int:
    """The bytes of an ID3v2 tag that begins with these 10 bytes; 0 if none does."""
    if header[:3] != b"ID3" or len(header) < 10:
        return 0
    size = 0
    for byte in header[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size + (10 if header[5] & 0x10 else 0)
