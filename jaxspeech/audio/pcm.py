"""Reads WAV from a pipe, which cannot be sought and whose sizes were never written."""

import struct
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.errors import AudioError

_LONGEST_CHUNK = 1 << 24


class WavHeader(NamedTuple):
    """What the samples are that follow the header of a WAV stream.

    Attributes:
      rate: in Hz.
      channels: their number.
      kind: "int" or "float".
      width: bytes of a sample.
      size: bytes of all samples; None if unknown.
    """

    rate: int
    channels: int
    kind: str
    width: int
    size: int | None

    def to_samples(self, data: bytes) -> Float[np.ndarray, "S C"]:
        """Whole frames of samples as floats in [-1, 1]."""
        data = data[: len(data) // (self.width * self.channels) * self.width * self.channels]
        if self.kind == "float":
            flat = np.frombuffer(data, f"<f{self.width}").astype(np.float32)
        elif self.width == 1:
            flat = (np.frombuffer(data, np.uint8).astype(np.float32) - 128.0) / 128.0
        elif self.width == 3:
            triples = np.frombuffer(data, np.uint8).reshape(-1, 3)
            wide = np.zeros((len(triples), 4), np.uint8)
            wide[:, 1:] = triples
            flat = (wide.reshape(-1).view("<i4") / 2.0**31).astype(np.float32)
        else:
            flat = (np.frombuffer(data, f"<i{self.width}") / 2.0 ** (8 * self.width - 1)).astype(np.float32)
        return flat.reshape(-1, self.channels)


def read_wav_header(pipe: Any) -> WavHeader | None:
    """Reads a pipe up to its first sample; None if it ends before, or does not begin like a WAV file.

    Raises:
      AudioError: the samples are compressed.
    """
    opening = _exactly(pipe, 12)
    if opening[:4] not in (b"RIFF", b"RF64") or opening[8:] != b"WAVE":
        return None
    fmt = b""
    while len(header := _exactly(pipe, 8)) == 8:
        length = struct.unpack("<I", header[4:])[0]
        if header[:4] == b"data":
            return _header(fmt, length) if len(fmt) >= 16 else None
        if length > _LONGEST_CHUNK:
            return None
        content = _exactly(pipe, length + length % 2)
        fmt = content if header[:4] == b"fmt " else fmt
    return None


def _header(fmt: bytes, length: int) -> WavHeader:
    encoding, channels, rate, _, _, bits = struct.unpack("<HHIIHH", fmt[:16])
    if encoding == 0xFFFE and len(fmt) >= 26:
        encoding = struct.unpack("<H", fmt[24:26])[0]
    kind = {1: "int", 3: "float"}.get(encoding)
    if kind is None or bits not in ((8, 16, 24, 32) if kind == "int" else (32, 64)) or not channels or not rate:
        raise AudioError(
            f"a WAV stream of encoding {encoding} with {bits} bits: give 16-bit samples, for example ffmpeg's -f wav -"
        )
    known = 0 < length < 0x7FFFFFFF - 0x10000
    return WavHeader(rate, channels, kind, bits // 8, length if known else None)


def _exactly(pipe: Any, count: int) -> bytes:
    """The pipe's next `count` bytes, fewer only at its end."""
    data = b""
    while len(data) < count and (more := pipe.read(count - len(data))):
        data += more
    return data
