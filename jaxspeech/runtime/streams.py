"""The standard streams of a command: closed ones, and ones that can no longer be written."""

import os
import sys
from typing import Any


def open_missing() -> None:
    """Opens the standard streams that were closed when the process started (`jaxspeech ... >&- 2>&-`).

    Otherwise the next file that is opened would get the number of a standard stream, and messages would be written
    into it. Standard input is then empty, messages are lost, and writing results to standard output is an error.
    """
    for name, access, mode in (("stdin", os.O_RDONLY, "r"), ("stdout", os.O_RDONLY, "w"), ("stderr", os.O_WRONLY, "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, access)
            os.set_inheritable(number, True)
            stream = open(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def is_terminal(stream: Any) -> bool:
    """Whether a stream is a terminal; also of None, which a program without standard streams has, and closed ones."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def discard(stream: Any) -> None:
    """Discards what is written to a stream from now on, and what its buffers still hold."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError, AttributeError):  # not a file
        pass


class Forgiving:
    """A text stream for messages: where it cannot be written, they are lost, and the work continues.

    For example, its terminal was closed, its reader ended, or its disk is full.
    """

    def __init__(self, stream: Any):
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes, or loses, `text`."""
        try:
            return self._stream.write(text)
        except OSError:
            discard(self._stream)
            return len(text)

    def flush(self) -> None:
        """Flushes the stream."""
        try:
            self._stream.flush()
        except OSError:
            discard(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
