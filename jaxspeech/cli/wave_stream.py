"""Writes sound to standard output while it is made."""

import struct
from typing import Any

from jaxspeech.errors import OutputError


def send(stream: Any, data: bytes) -> None:
    """Writes bytes at once.

    Raises:
      OutputError: they cannot be written.
      BrokenPipeError: the reader has heard enough.
    """
    try:
        stream.write(data)
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"standard output cannot be written: {error.strerror}") from error


def wave_header(rate: int) -> bytes:
    """The header of a stream of 16-bit samples of one channel, whose sizes nobody knows yet."""
    form = struct.pack("<HHIIHH", 1, 1, rate, 2 * rate, 2, 16)
    unknown = 0xFFFFFFFF
    return b"".join(
        [
            b"RIFF",
            struct.pack("<I", unknown),
            b"WAVEfmt ",
            struct.pack("<I", 16),
            form,
            b"data",
            struct.pack("<I", unknown),
        ]
    )
