"""Shows ranges of a file, and bytes put before or between them, as one file: a recording whose header is repaired."""

import io
from collections.abc import Sequence
from typing import Any

# Bytes that are not in the file, or the (start, end) of a range of it.
Piece = bytes | tuple[int, int]


class Pieces(io.RawIOBase):
    """A read-only file made of pieces of another one; it closes nothing and copies nothing.

    Attributes:
      error: what reading the other file has raised, since a decoder written in C sees only the end of the file.
    """

    def __init__(self, file: Any, pieces: Sequence[Piece]):
        self.error: OSError | None = None
        self._file = file
        self._pieces = [piece for piece in pieces if _length(piece) > 0]
        self._starts = [0]
        for piece in self._pieces:
            self._starts.append(self._starts[-1] + _length(piece))
        self._position = 0

    def __len__(self) -> int:
        return self._starts[-1]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: len(self)}[whence])
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        done = 0
        for piece, start, end in zip(self._pieces, self._starts, self._starts[1:], strict=False):
            if done == len(view) or not start <= self._position < end:
                continue
            inside, count = self._position - start, min(len(view) - done, end - self._position)
            data = piece[inside : inside + count] if isinstance(piece, bytes) else self._range(piece[0] + inside, count)
            view[done : done + len(data)] = data
            done += len(data)
            self._position += len(data)
            if len(data) < count:
                break
        return done

    def _range(self, start: int, count: int) -> bytes:
        try:
            return read_at(self._file, start, count)
        except OSError as error:
            self.error = error
            return b""


def read_at(file: Any, start: int, count: int) -> bytes:
    """Reads `count` bytes from `start`, fewer only at the end of the file."""
    file.seek(start)
    data = file.read(count)
    while data and len(data) < count and (more := file.read(count - len(data))):
        data += more
    return data


def _length(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]
